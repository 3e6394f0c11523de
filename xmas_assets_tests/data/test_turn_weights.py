import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xmas_assets.data.ingest import ingest
from xmas_assets.data.loading import load_dataset
from xmas_assets.data.registration import Registration
from xmas_assets.data.tables import SAMPLES_SCHEMA, TABLE_SCHEMAS, WEIGHTED_SCHEMA
from xmas_assets.data.turn_weights import WEIGHT_FIELDS
from xmas_assets_tests.data.making import Read, read, read_records_of, reason_of, record, write

ASKED, ANSWERED = {"role": "user", "content": "What?"}, {"role": "assistant", "content": "This."}


def messages(*flags: dict) -> list[dict]:
    """A question and an answer for each; the flags stand beside the answer."""
    return [turn for flag in flags for turn in (ASKED, ANSWERED | flag)]


def weights_of(result: Read) -> list[list[float] | None]:
    return [row.get("loss_weights") for row in result.samples]


def read_one(folder, *flags: dict) -> list[float] | None:
    return weights_of(read_records_of(folder, [{"id": "a", "messages": messages(*flags)}]))[0]


@pytest.mark.parametrize("name", WEIGHT_FIELDS)
@pytest.mark.parametrize(
    ("value", "weight"), [(True, 1.0), (False, 0.0), (0, 0.0), (1, 1.0), (0.25, 0.25), (100, 100.0)]
)
def test_every_field_for_it_gives_an_answer_its_weight(tmp_path, name, value, weight):
    assert read_one(tmp_path, {name: value}, {name: 0.5}) == [weight, 0.5]


@pytest.mark.parametrize("empty", [None, "", [], {}])
def test_an_answer_whose_field_is_empty_or_missing_counts_once(tmp_path, empty):
    assert read_one(tmp_path, {"loss": empty}, {}, {"loss": False}) == [1.0, 1.0, 0.0]


def test_several_weights_of_a_turn_are_multiplied(tmp_path):
    given = ({"loss": True, "loss_scale": 0.5}, {"train": False, "weight": 3}, {"weight": 2, "loss_scale": 0.25})
    assert read_one(tmp_path, *given) == [0.5, 0.0, 0.5]


def test_pairs_of_turns_have_a_weight_too(tmp_path):
    texts = [{"user": "What?", "assistant": "This.", "weight": 0}, {"user": "And?", "assistant": "That."}]
    spoken = [{"human": "What?", "assistant": "This.", "loss": False}, {"human": "And?", "assistant": "That."}]
    trl = {"prompt": messages({"train": 0})[:2] + [ASKED], "completion": [ANSWERED | {"weight": 2}]}
    columns = {"role": ["user", "assistant"] * 2, "content": list("qaqa"), "loss": [None, False, None, True]}
    result = read_records_of(tmp_path, [{"texts": texts}, {"conversation": spoken}, trl, {"messages": columns}])
    assert weights_of(result) == [[0.0, 1.0], [0.0, 1.0], [0.0, 2.0], [0.0, 1.0]]


def test_a_system_turn_moves_no_weight(tmp_path):
    given = {"system": "Be brief.", "messages": messages({"loss": False}, {})}
    inside = {"messages": [{"role": "system", "content": "Be brief.", "loss": False}, *messages({"loss": False}, {})]}
    result = read_records_of(tmp_path, [given, inside])
    assert weights_of(result) == [[0.0, 1.0]] * 2
    assert {name for name in result.ledger.notices if "not_read" in name} == set()


def test_weights_of_questions_are_not_read_and_it_is_said(tmp_path):
    """OpenAI refuses them, axolotl trains on the question; both mean something else than context."""
    given = [ASKED | {"weight": 1, "train": True}, ANSWERED | {"weight": 0}, ASKED | {"loss": False}, ANSWERED]
    result = read_records_of(tmp_path, [{"messages": given}])
    assert weights_of(result) == [[0.0, 1.0]]
    assert {name: n for name, n in result.ledger.notices.items() if "not_read" in name} == {
        "question_field_not_read:weight": 1,
        "question_field_not_read:train": 1,
    }


@pytest.mark.parametrize("value", ["no", "1", -1, -0.5, 100.1, 1e-7, 1e300, [1, 0, 1], {"a": 1}])
def test_a_malformed_weight_sets_its_row_aside_with_the_turn_and_the_value(tmp_path, value):
    assert reason_of(tmp_path, {"id": "bad", "messages": messages({}, {"loss_mask": value})}) == "bad_value"
    detail = read_records_of(tmp_path, [record(), {"messages": messages({}, {"loss": value})}]).quarantine[0]["detail"]
    assert detail.startswith("'loss' of turn 3 is ")
    assert detail.endswith("; true, false, 0 or a number from 1e-06 to 100 is needed")


def test_a_product_beyond_the_bound_is_refused(tmp_path):
    assert reason_of(tmp_path, {"messages": messages({"weight": 50, "loss_scale": 50})}) == "bad_value"


def test_a_row_of_which_nothing_can_be_learned_is_set_aside(tmp_path):
    bad = {"id": "bad", "messages": messages({"loss": False}, {"weight": 0})}
    result = read_records_of(tmp_path, [record(), bad])
    assert [(row["reason"], row["detail"]) for row in result.quarantine] == [
        ("nothing_to_learn", "all answers have the weight 0; one must be learned from")
    ]


# Tables.


def schemas(folder, *records) -> dict[str, pa.Schema]:
    registration = Registration.create(
        "made", [write(folder, list(records))], test=[write(folder, [record()], "t.json")]
    )
    return {table: batch.schema for table, batch in ingest(registration) if table in ("samples", "test")}


def test_a_split_has_the_column_only_if_one_of_its_rows_needs_it(tmp_path):
    flagged = {"id": "b", "messages": messages({"loss": False}, {})}
    assert schemas(tmp_path, record(), flagged) == {"samples": WEIGHTED_SCHEMA, "test": SAMPLES_SCHEMA}
    plain = {"id": "b", "messages": messages({"loss": True}, {"weight": 1})}
    assert schemas(tmp_path, record(), plain) == {"samples": SAMPLES_SCHEMA, "test": SAMPLES_SCHEMA}
    assert "loss_weights" not in TABLE_SCHEMAS["samples"].names


def test_flags_that_say_what_holds_anyway_change_neither_ids_nor_digests(tmp_path):
    plain = read_records_of(tmp_path, [{"messages": messages({}, {})}]).samples
    assert read_records_of(tmp_path, [{"messages": messages({"loss": True}, {"weight": 1.0})}]).samples == plain
    other = read_records_of(tmp_path, [{"messages": messages({"loss": True}, {"weight": 0.5})}]).samples
    assert other[0]["digest"] != plain[0]["digest"]


def test_samples_give_the_weights_and_rows_without_them_none(tmp_path):
    path = write(
        tmp_path, [record(id="plain"), {"id": "flagged", "messages": messages({"train": False}, {"weight": 2})}]
    )
    loaded = load_dataset(path)
    assert [sample.loss_weights for sample in loaded.samples] == [(), (0.0, 2.0)]
    assert loaded.notices["answers_of_other_weight"] == 1
    assert [sample.loss_weights for sample in load_dataset(write(tmp_path, [record()])).samples] == [()]


def test_flags_in_parquet_are_read_as_those_of_json(tmp_path):
    rows = [messages({"loss": False}, {"loss": True})]
    struct = pa.struct([("role", pa.string()), ("content", pa.string()), ("loss", pa.bool_())])
    pq.write_table(pa.table({"messages": pa.array(rows, pa.list_(struct))}), tmp_path / "t.parquet")
    result = read(Registration.create("made", [tmp_path / "t.parquet"]))
    assert weights_of(result) == [[0.0, 1.0]]
    text = write(tmp_path, json.dumps({"messages": rows[0]}), "t.jsonl")
    assert weights_of(read(Registration.create("made", [text]))) == [[0.0, 1.0]]
