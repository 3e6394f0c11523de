"""Fields under names of the user's own: read as ours, in every form of file, and given back under theirs."""

import json

import pytest

from xmas_assets.contracts.errors import DatasetError, SettingsError
from xmas_assets.data.columns import renamed
from xmas_assets.data.registration import Registration
from xmas_assets.home.home import Home
from xmas_assets.home.versions import current_versions
from xmas_assets_tests.data.making import exported, image_root, read, record, write

COLUMNS = {"uid": "id", "pic": "image", "asked": "question", "said": "answer", "source": "task"}
RECORDS = [
    {"uid": "1", "pic": "a.png", "asked": "What?", "said": "This.", "source": "coco", "task": "old"},
    {"uid": "2", "pic": None, "asked": "And that?", "said": "That.", "source": None, "task": "old"},
]
FILES = {
    "list.json": json.dumps(RECORDS),
    "lines.jsonl": "\n".join(map(json.dumps, RECORDS)),
    "table.csv": "uid,pic,asked,said,source,task\n1,a.png,What?,This.,coco,old\n2,,And that?,That.,,old\n",
}


@pytest.mark.parametrize("name", FILES)
def test_fields_are_read_under_other_names_in_every_form(tmp_path, name):
    path = write(tmp_path, FILES[name], name)
    result = read(Registration.create("made", [path], images=image_root(tmp_path), columns=COLUMNS))
    assert result.quarantine == []
    fields = [(row["sample_id"], row["task"], row["images"]) for row in result.samples]
    assert fields == [("1", "coco", ["a.png"]), ("2", None, [])]
    texts = [[turn["text"] for turn in row["turns"]] for row in result.samples]
    assert texts == [["<image>\nWhat?", "This."], ["And that?", "That."]]


def test_an_export_gives_the_records_back_as_they_are_and_a_conversion_what_was_read(tmp_path):
    path = write(tmp_path, RECORDS)
    registration = Registration.create("made", [path], images=image_root(tmp_path), columns=COLUMNS)
    assert json.loads(exported(registration, [(0, 0)], tmp_path / "a.json")) == RECORDS[:1]
    [converted] = json.loads(exported(registration, [(0, 0)], tmp_path / "b.json", "llava_json"))
    assert (converted["id"], converted["task"], converted["image"]) == ("1", "coco", "a.png")


def test_without_its_columns_a_table_names_what_it_holds(tmp_path):
    with pytest.raises(DatasetError, match="no conversation among its columns: the fields 'uid', 'pic'"):
        read(Registration.create("made", [write(tmp_path, FILES["table.csv"], "table.csv")]))


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"source": "tusk"}, "cannot be read as 'tusk'; did you mean 'task'"),
        ({"a": "task", "b": "task"}, "'a', 'b' are all to be read as 'task'"),
        ({"a": "name"}, "cannot be read as 'name'"),
    ],
)
def test_names_that_lead_nowhere_are_refused(tmp_path, columns, words):
    with pytest.raises(SettingsError) as refusal:
        Registration.create("made", [write(tmp_path, [record()])], columns=columns)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_another_mapping_makes_the_dataset_stale(tmp_path):
    home = Home(tmp_path / "home")
    registration = Registration.create("made", [write(tmp_path, [record(source="x")])])
    registration.save(home.root)
    plain = current_versions(home, "made")["source"]
    registration.model_copy(update={"columns": {"source": "task"}}).save(home.root)
    assert current_versions(home, "made")["source"] != plain


def test_one_record_of_two_names_is_read_under_the_users_choice():
    assert renamed({"id": 1, "task": "old", "source": "new"}, {"source": "task"}) == {"id": 1, "task": "new"}
    assert renamed({"id": 1, "task": "old"}, {"source": "task"}) == {"id": 1, "task": "old"}
    assert renamed("no record", {"source": "task"}) == "no record"
