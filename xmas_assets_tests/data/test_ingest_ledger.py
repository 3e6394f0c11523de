import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xmas_assets.contracts.samples import Reason
from xmas_assets_tests.data.making import image_root, read_records_of, record, seen

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
)
ANYTHING = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below, max_size=3)
)
FIELDS = ["id", "image", "images", "conversations", "messages", "texts", "task"]


@st.composite
def mutated_records(draw):
    """A good record with fields replaced by anything, turns dropped or doubled, or no record at all."""
    value = draw(st.sampled_from([record(), seen()]))
    for name in draw(st.lists(st.sampled_from(FIELDS), max_size=2)):
        value[name] = draw(ANYTHING)
    turns = value.get("conversations")
    if isinstance(turns, list) and turns:
        turn = draw(st.sampled_from(turns))
        if isinstance(turn, dict):
            changed = {
                **turn,
                **draw(st.dictionaries(st.sampled_from(["from", "value", "role", "content"]), ANYTHING, max_size=1)),
            }
            value["conversations"] = [changed if item is turn else item for item in turns] * draw(st.integers(0, 2))
    return draw(st.sampled_from([value, value, value, draw(ANYTHING)]))


@given(st.lists(mutated_records(), max_size=6), st.sampled_from(["keep", "quarantine"]), st.booleans())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_in_are_rows_out_plus_quarantined_whatever_the_records(tmp_path, records, duplicates, lines):
    records = [record(id="good"), *records]
    if lines:
        content, name = "\n".join(json.dumps(value) for value in records), "train.jsonl"
    else:
        content, name = json.dumps(records), "train.json"
    result = read_records_of(tmp_path, content, name=name, images=image_root(tmp_path), duplicates=duplicates)
    rows = sorted([row["source_row"] for row in result.samples] + [row["source_row"] for row in result.quarantine])
    assert rows == list(range(len(records)))
    assert [row["row"] for row in result.samples] == list(range(len(result.samples)))
    assert len({row["sample_id"] for row in result.samples}) == len(result.samples)
    assert {row["reason"] for row in result.quarantine} <= set(Reason)
    ledger = result.ledger
    assert ledger.rows_in["samples"] == ledger.rows_out["samples"] + ledger.quarantined["samples"] == len(records)
