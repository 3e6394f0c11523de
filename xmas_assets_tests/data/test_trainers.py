"""What each tool's documentation asks of a folder, checked by plain readers of the files."""

import base64
import csv
import json
import re
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from xmas_assets.data.registration import Registration
from xmas_assets.data.trainers import tables, webdataset
from xmas_assets.data.trainers.registry import TOOLS
from xmas_assets_tests.data.making import read, record, talk
from xmas_assets_tests.data.subsets import IDS, IMAGES, NAME, PICTURES, TrapDataset, named_pictures, read_json, rows_of

WITHOUT_VIDEO = [name for name in IDS if name != "video"]


@pytest.mark.parametrize("paths", ["relative", "absolute"])
@pytest.mark.parametrize("files", ["copy", "link", "leave"])
@pytest.mark.parametrize("tool", ["llamafactory", "swift", "axolotl", "llava", "openai"])
def test_every_path_leads_to_the_right_picture(made, out, tool, files, paths):
    made.export(tool, out, image_files=files, paths=paths)
    expected = [IMAGES[name] for name in (WITHOUT_VIDEO if tool in ("llamafactory", "swift") else IDS)]
    named = named_pictures(tool, out)
    assert [[Path(path).is_absolute() for path in row] for row in named] == [
        [paths == "absolute" for _ in row] for row in expected
    ]
    assert [[(out / path).read_bytes() for path in row] for row in named] == [
        [PICTURES[name] for name in row] for row in expected
    ]
    places = {(out / path).resolve() for row in named for path in row}
    sources = {(made.root / "pictures" / name).resolve() for name in PICTURES}
    assert (places == sources) == (files == "leave")
    assert {path.stat().st_ino for path in places} == {path.stat().st_ino for path in sources} or files == "copy"
    assert (out / "images").exists() == (files != "leave")


def test_llamafactory_finds_the_table_and_its_columns_by_dataset_info(made, out):
    exported = made.export("llamafactory", out)
    entry = read_json(out / "dataset_info.json")[NAME]
    columns, tags = entry["columns"], entry["tags"]
    assert (entry["formatting"], Path(entry["file_name"]).suffix) == ("sharegpt", ".parquet")
    rows = rows_of(out / entry["file_name"])
    assert [row["sample_id"] for row in rows] == WITHOUT_VIDEO
    for row in rows:  # as its converter and its mm_plugin check
        turns = row[columns["messages"]]
        said = [turn for turn in turns if turn[tags["role_tag"]] != tags["system_tag"]]
        assert turns[len(turns) - len(said) :] == said
        assert [turn[tags["role_tag"]] for turn in said] == [tags["user_tag"], tags["assistant_tag"]] * (len(said) // 2)
        assert isinstance(row[columns["images"]], list)
        text = "".join(turn[tags["content_tag"]] for turn in turns)
        assert (text.count("<image>"), text.count("<video>"), text.count("<audio>")) == (len(row["images"]), 0, 0)
    assert exported.left_out == {
        "the text holds <video>, which LLaMA-Factory takes for the place of other media": ["video"]
    }
    assert read_json(out / "xmas_export.json")["left_out"] == exported.left_out


def test_swift_finds_the_table_by_path_and_by_name_and_no_field_takes_a_meaning_that_is_not_its_own(made, out):
    made.export("swift", out)
    (entry,) = read_json(out / "custom_dataset_info.json")
    rows = rows_of(out / entry["dataset_path"])
    assert [row["source_label"] for row in rows] == [None, None, None, "x", None]
    assert "label" not in rows[0]
    assert rows[0]["messages"] == [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good day."}]
    assert Path(rows[1]["images"][0]).is_absolute()  # without being asked


def test_axolotl_gets_the_settings_that_pictures_need_and_typed_parts(made, out):
    made.export("axolotl", out)
    settings = yaml.safe_load((out / "axolotl.yaml").read_text())
    assert {name: settings[name] for name in settings if name != "datasets"} == {
        "processor_type": "AutoProcessor",
        "skip_prepare_dataset": True,
        "remove_unused_columns": False,
        "sample_packing": False,
    }
    (source,) = settings["datasets"]
    assert (source["ds_type"], source["type"]) == ("parquet", "chat_template")
    rows = rows_of(Path(source["path"]))
    assert "images" not in rows[0]
    parts = [turn["content"] for turn in rows[2]["messages"]]
    assert [[part["type"] for part in turn] for turn in parts] == [
        ["text"],
        ["image", "image", "text"],
        ["text"],
        ["text"],
        ["text"],
    ]
    assert parts[1][2]["text"] == "Alike?"


@pytest.mark.parametrize("tool", ["hf", "trl"])
def test_a_folder_for_datasets_says_which_columns_are_pictures_in_the_table_and_in_the_head(made, out, tool):
    made.export(tool, out)
    (table,) = (out / "data").iterdir()
    assert table.name == "train-00000-of-00001.parquet"
    noted = json.loads(pq.read_schema(table).metadata[b"huggingface"])["info"]["features"]
    assert noted["images"] == [{"_type": "Image"}]
    assert noted["level"] == {"dtype": "int64", "_type": "Value"}
    _, head, _ = (out / "README.md").read_text().split("---\n", 2)
    stated = yaml.safe_load(head)
    assert {"name": "images", "sequence": "image"} in stated["dataset_info"]["features"]
    assert [feature["name"] for feature in stated["dataset_info"]["features"]] == list(noted)
    assert stated["dataset_info"]["splits"][0]["num_examples"] == len(IDS)
    assert stated["configs"][0]["data_files"] == [{"split": "train", "path": "data/train-*"}]
    rows = rows_of(table)
    assert [[image["bytes"] for image in row["images"]] for row in rows] == [
        [PICTURES[name] for name in IMAGES[sample]] for sample in IDS
    ]


def test_trl_gets_parts_without_data_as_many_as_the_row_has_pictures(made, out):
    made.export("trl", out)
    for row in rows_of(next((out / "data").iterdir())):
        parts = [part for turn in row["messages"] for part in turn["content"]]
        assert [set(part) for part in parts] == [{"type", "text"}] * len(parts)
        assert [part["text"] for part in parts if part["type"] == "image"] == [None] * len(row["images"])


def test_llava_gets_human_and_gpt_in_turn_and_the_system_text_with_the_first_question(made, out):
    made.export("llava", out)
    records = read_json(out / f"{NAME}.json")
    for row in records:
        assert [turn["from"] for turn in row["conversations"]] == ["human", "gpt"] * (len(row["conversations"]) // 2)
    assert records[2]["conversations"][0]["value"] == "Be brief.\n\n<image>\n<image>\nAlike?"
    assert records[1]["image"] == "images/a.png"
    assert "image" not in records[0]
    assert (records[0]["boxes"], records[2]["mixed"], records[3]["mixed"]) == ([[1, 2], []], 1, "one")


def test_openai_gets_nothing_but_messages_with_pictures_as_data(made, out):
    exported = made.export("openai", out, scores=True)
    lines = [json.loads(line) for line in (out / f"{NAME}.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [set(line) for line in lines] == [{"messages"}] * len(IDS)
    urls = named_pictures("openai", out)
    assert [url[:23] for url in urls[2]] == ["data:image/png;base64,i", "data:image/jpeg;base64,"]
    assert [[base64.b64decode(url.split(",")[1]) for url in row] for row in urls] == [
        [PICTURES[name] for name in IMAGES[sample]] for sample in IDS
    ]
    assert lines[3]["messages"][0]["content"][0::2] == [
        {"type": "text", "text": "Is "},
        {"type": "text", "text": " blue?"},
    ]
    assert list(exported.lost) == ["source", "level", "boxes", "score", "mixed", "label"]
    assert ids_in(out)[1] == {"sample_id": "one/1", "id": "one/1", "task": "vqa", "score": "0.5", "rank": "8"}


def ids_in(out: Path) -> list[dict[str, str]]:
    with (out / "ids.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_ids_are_one_row_each_in_the_order_of_the_source(made, out):
    made.export("ids", out)
    assert [row["sample_id"] for row in ids_in(out)] == IDS
    assert "rank" not in ids_in(out)[0]


def test_webdataset_keys_hold_no_dot_and_the_record_names_its_pictures_in_order(made, out, monkeypatch):
    monkeypatch.setattr(webdataset, "SHARD_BYTES", 4096)
    made.export("webdataset", out)
    shards = sorted(out.glob("*.tar"))
    assert [shard.name for shard in shards[:2]] == [f"{NAME}-000000.tar", f"{NAME}-000001.tar"]
    samples: dict[str, dict[str, bytes]] = {}
    for shard in shards:
        with tarfile.open(shard) as tar:
            for entry in tar:
                key, ending = entry.name.split(".", 1)
                assert (entry.mtime, entry.uid, entry.gid, entry.uname, entry.mode) == (0, 0, 0, "", 0o644)
                assert list(samples)[-1:] == [key] or key not in samples  # the files of a row stand together
                samples.setdefault(key, {})[ending] = tar.extractfile(entry).read()  # pyright: ignore
    records = [json.loads(sample["json"]) for sample in samples.values()]
    assert [row["sample_id"] for row in records] == IDS
    pictures = [
        [sample[ending] for ending in row["images"]] for row, sample in zip(records, samples.values(), strict=True)
    ]
    assert pictures == [[PICTURES[name] for name in IMAGES[sample]] for sample in IDS]
    assert records[2]["images"] == ["0.png", "1.jpg"]
    assert len(shards) > 2


def test_large_tables_are_several_files_that_say_how_many(made, out, monkeypatch):
    monkeypatch.setattr(tables, "SHARD_BYTES", 1)
    monkeypatch.setattr(tables, "BATCH_ROWS", 4)
    made.export("hf", out)
    files = sorted(path.name for path in (out / "data").iterdir())
    assert files == ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]
    assert [row["sample_id"] for name in files for row in rows_of(out / "data" / name)] == IDS


def test_an_export_for_hf_reads_back_as_the_same_dataset(made, tmp_path):
    made.export("hf", tmp_path / "hf")
    again = read(Registration.create("again", [next((tmp_path / "hf" / "data").iterdir())]), image_store=tmp_path / "s")
    for column in ("turns", "image_hashes", "source_id", "task"):
        assert [row[column] for row in again.samples] == [row[column] for row in made.rows]


def test_every_readme_says_how_to_load_the_folder_and_names_no_other_machine(made, out):
    for tool in TOOLS:
        made.export(tool, out.with_name(tool), paths="relative")
        text = (out.with_name(tool) / "README.md").read_text()
        assert str(made.root) not in text
        assert re.search(rf"# {NAME} for \S", text)
        assert text.count("\n") > 5


def test_text_only_rows_before_all_others_do_not_hide_the_type_of_pictures(tmp_path):
    """From JSON, ``datasets`` takes column types from the first 10 MB, and stops at the first picture after them."""
    rows = [record(id=str(index), conversations=talk("x" * 30, "y")) for index in range(200)]
    pictured = record(id="p", image="a.png", conversations=talk("<image>\nx", "y"), late="z")
    made = TrapDataset(tmp_path, [*rows, pictured])
    made.export("swift", tmp_path / "out")
    schema = pq.read_schema(tmp_path / "out" / f"{NAME}.parquet")
    assert {name: str(schema.field(name).type) for name in ("images", "late")} == {
        "images": "list<element: string>",
        "late": "string",
    }
