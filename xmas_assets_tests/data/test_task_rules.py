"""Tasks of records that name none."""

import hashlib

import pytest

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.data.first_look import first_look
from xmas_assets.data.registration import Registration
from xmas_assets.home.home import Home
from xmas_assets.home.versions import current_values, current_versions
from xmas_assets_tests.data.making import exported, image_root, picture, read, record, seen, talk, write
from xmas_assets_tests.data.test_image_archives import zipped


def _root(folder):
    root = image_root(folder)
    for name in ("coco/train2017/1.png", "gqa/1.png"):
        write(root, picture(), name)
    return root


def _records(root):
    return [
        seen(id="relative", image="coco/train2017/1.png"),
        seen(id="dotted", image="./coco/train2017/1.png"),
        seen(id="absolute", image=str(root / "gqa" / "1.png")),
        seen(id="windows", image="coco\\train2017\\1.png"),
        seen(id="own", image="gqa/1.png", task="pets"),
        seen(id="empty", image="gqa/1.png", task=""),
        seen(id="several", image=["gqa/1.png", "a.png"], conversations=talk("<image><image>Which?", "Both.")),
        seen(id="no folder", image="a.png"),
        record(id="text"),
    ]


def _tasks(result):
    return {row["sample_id"]: row["task"] for row in result.samples}


FOUND = {
    "relative": "coco",
    "dotted": "coco",
    "absolute": "gqa",
    "windows": "coco",
    "own": "pets",
    "empty": "gqa",
    "several": "gqa",
    "no folder": None,
    "text": None,
}


def test_a_record_without_a_task_gets_the_first_folder_of_its_first_image(tmp_path):
    root = _root(tmp_path)
    source = write(tmp_path, _records(root))
    result = read(Registration.create("made", [source], images=root, task_from="folder"))
    assert _tasks(result) == FOUND
    assert result.ledger.notices["task_from_folder"] == 6


def test_no_task_is_found_unless_it_is_asked_for(tmp_path):
    root = _root(tmp_path)
    result = read(Registration.create("made", [write(tmp_path, _records(root))], images=root))
    assert {task for task in _tasks(result).values() if task} == {"pets"}


def test_the_first_look_shows_the_tasks_that_are_found(tmp_path):
    root = _root(tmp_path)
    source = write(tmp_path, _records(root))
    look = first_look(Registration.create("made", [source], images=root, task_from="folder"))
    assert {task: source.records for task, source in look.sources.items()} == {"coco": 3, "gqa": 3, "pets": 1, "": 2}


def test_a_mapped_task_counts_before_the_folder(tmp_path):
    root = _root(tmp_path)
    records = [seen(id="a", image="gqa/1.png", source="vqa"), seen(id="b", image="gqa/1.png")]
    fields = {"images": root, "columns": {"source": "task"}, "task_from": "folder"}
    result = read(Registration.create("made", [write(tmp_path, records)], **fields))
    assert _tasks(result) == {"a": "vqa", "b": "gqa"}


def test_folders_count_in_an_archive_too(tmp_path):
    images = zipped(tmp_path / "images.zip", {"gqa/1.png": picture()})
    source = write(tmp_path, [seen(id="a", image="gqa/1.png")])
    registration = Registration.create("made", [source], images=images, task_from="folder")
    assert _tasks(read(registration, image_store=tmp_path / "store")) == {"a": "gqa"}


def test_exported_records_are_the_originals(tmp_path):
    root = _root(tmp_path)
    source = write(tmp_path, [seen(image="gqa/1.png")])
    registration = Registration.create("made", [source], images=root, task_from="folder")
    exported(registration, [(0, 0)], tmp_path / "out.json")
    assert b"task" not in (tmp_path / "out.json").read_bytes()


def test_an_unknown_rule_is_refused_in_one_line(tmp_path):
    with pytest.raises(SettingsError, match=r"task_from.*'folder'") as caught:
        Registration.create("made", [write(tmp_path, [record()])], task_from="answers")
    assert "\n" not in str(caught.value)


def test_versions_of_datasets_that_do_not_ask_stay_as_they_were(tmp_path):
    source = write(tmp_path, [record()])
    home = Home(tmp_path / "home")
    home.register(Registration.create("made", [source]))
    stat = source.stat()
    fields = f'{{"annotations":["{source}"],"test":[],"images":null,"format":null,"duplicates":"keep"}}'
    described = f"{fields}\n{source}:{stat.st_size}:{stat.st_mtime_ns}"
    assert current_versions(home, "made")["source"] == hashlib.sha256(described.encode()).hexdigest()


def test_asking_for_tasks_makes_another_source(tmp_path):
    source = write(tmp_path, [record()])
    home = Home(tmp_path / "home")
    for name, rule in (("plain", None), ("asked", "folder")):
        home.register(Registration.create(name, [source], task_from=rule))
    plain, asked = (current_versions(home, name) for name in ("plain", "asked"))
    assert {section for section in plain if plain[section] != asked[section]} == {"source", "validation"}
    assert current_values(home, "asked")["source"]["task_from"] == "folder"
