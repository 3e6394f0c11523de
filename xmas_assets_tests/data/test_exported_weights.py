"""Weights of answers in what is written for other programs, and in our own formats."""

import json

import pyarrow.parquet as pq
import pytest

from xmas_assets.data.registration import Registration
from xmas_assets.data.trainers.export import WEIGHTS
from xmas_assets.data.trainers.registry import TOOLS
from xmas_assets_tests.data.making import exported, read, record, talk, write
from xmas_assets_tests.data.subsets import NAME, TrapDataset, read_json, rows_of


def weighted(*weights: float | None, **fields) -> dict:
    """A record with an answer for each weight."""
    turns = talk(*(word for number in range(len(weights)) for word in (f"Question {number}?", f"Answer {number}.")))
    for turn, weight in zip(turns[1::2], weights, strict=True):
        turn.update({} if weight is None else {"weight": weight})
    return record(conversations=turns, **fields)


FLAGS = [weighted(0, None, id="flagged"), weighted(None, id="plain")]
NUMBERS = [*FLAGS, weighted(0.5, 2, id="numbers")]
OTHERS = ("llamafactory", "axolotl", "trl", "llava", "ids")


def messages_of(tool: str, out) -> list[list[dict]]:
    if tool == "openai":
        return [json.loads(line)["messages"] for line in (out / f"{NAME}.jsonl").read_text().splitlines()]
    if tool == "swift":
        return [row["messages"] for row in rows_of(out / f"{NAME}.parquet")]
    return [row["messages"] for row in rows_of(next((out / "data").glob("*.parquet")))]


@pytest.mark.parametrize("tool", OTHERS)
def test_weights_that_a_program_does_not_read_are_listed_as_lost(tmp_path, tool):
    lost = TrapDataset(tmp_path, FLAGS).export(tool, tmp_path / "out").lost
    assert lost[WEIGHTS] == f"{TOOLS[tool].title} reads none; every answer counts once"
    assert WEIGHTS in read_json(tmp_path / "out" / "xmas_export.json")["fields_lost"]


@pytest.mark.parametrize("tool", sorted(TOOLS))
def test_rows_whose_answers_all_count_once_are_written_as_before(tmp_path, tool):
    plain = [weighted(None, None, id="a"), weighted(1, id="b")]
    assert TrapDataset(tmp_path, plain).export(tool, tmp_path / "out").lost == {}
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert b"weight" not in written
    assert b'"loss"' not in written


@pytest.mark.parametrize(("tool", "no", "yes"), [("swift", False, True), ("openai", 0, 1), ("hf", 0.0, 1.0)])
def test_flags_stand_beside_the_answers_of_every_row_and_are_read_back(tmp_path, tool, no, yes):
    assert TrapDataset(tmp_path, FLAGS).export(tool, tmp_path / "out").lost == {}
    name = "loss" if tool == "swift" else "weight"
    found = messages_of(tool, tmp_path / "out")
    assert [[turn[name] for turn in row if turn["role"] == "assistant"] for row in found] == [[no, yes], [yes]]
    assert [turn.get(name) for row in found for turn in row if turn["role"] == "user"] == [None] * 3
    if tool == "openai":  # which refuses the field in a question
        assert all(name not in turn for row in found for turn in row if turn["role"] == "user")
    again = write(tmp_path, "\n".join(json.dumps({"messages": row}) for row in found), "again.jsonl")
    samples = read(Registration.create("again", [again])).samples
    assert [row["loss_weights"] for row in samples] == [[0.0, 1.0], None]


@pytest.mark.parametrize("tool", ["swift", "openai"])
def test_weights_between_count_once_where_a_program_knows_two_and_it_is_said(tmp_path, tool):
    lost = TrapDataset(tmp_path, NUMBERS).export(tool, tmp_path / "out").lost
    assert lost == {WEIGHTS: f"{TOOLS[tool].title} knows 0 and 1; every other one counts as 1"}
    answers = [turn for turn in messages_of(tool, tmp_path / "out")[2] if turn["role"] == "assistant"]
    assert [bool(turn["loss" if tool == "swift" else "weight"]) for turn in answers] == [True, True]


@pytest.mark.parametrize("tool", ["hf", "webdataset"])
def test_a_dataset_folder_with_any_weights_reads_back_as_the_same(tmp_path, tool):
    made = TrapDataset(tmp_path, NUMBERS)
    assert made.export(tool, tmp_path / "out").lost == {}
    files = sorted((tmp_path / "out").rglob("*.parquet" if tool == "hf" else "*.tar"))
    again = read(Registration.create("again", files), image_store=tmp_path / "again").samples
    assert [row["loss_weights"] for row in again] == [row["loss_weights"] for row in made.rows]


@pytest.mark.parametrize("file_format", ["llava_json", "llava_jsonl", "sharegpt", "parquet"])
def test_a_subset_in_another_format_keeps_its_weights(tmp_path, file_format):
    suffix = {"llava_jsonl": "jsonl", "parquet": "parquet"}.get(file_format, "json")
    many = [weighted(None, id=str(number)) for number in range(70)]  # more than a table is written at once
    registration = Registration.create("made", [write(tmp_path, [*many, *NUMBERS])])
    places = [(0, row) for row in range(73)]
    exported(registration, places, tmp_path / f"out.{suffix}", file_format)
    again = read(Registration.create("again", [tmp_path / f"out.{suffix}"])).samples
    assert [row["loss_weights"] for row in again] == [None] * 70 + [[0.0, 1.0], None, [0.5, 2.0]]
    if file_format == "parquet":
        exported(registration, places[:70], tmp_path / "plain.parquet", file_format)
        turn = pq.read_schema(tmp_path / "plain.parquet").field("conversations").type.value_type
        assert [field.name for field in turn] == ["from", "value"]
