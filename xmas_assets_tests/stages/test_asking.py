import pyarrow as pa
import pytest

from xmas_assets.contracts.samples import Sample, Turn
from xmas_assets.scale.row_tables import make_row_table
from xmas_assets.stages.asking import _kept_replies

COLUMNS = [pa.field("asked", pa.string(), nullable=False), pa.field("replies", pa.list_(pa.string()))]


def keep(folder, name: str) -> None:
    """Answers to one question in a folder of their own, as a target's are kept."""
    samples = [Sample(name, (Turn("user", "q"), Turn("assistant", "")), (), ())]
    make_row_table(
        samples,
        COLUMNS,
        lambda part, advance: {"asked": [sample.sample_id for sample in part], "replies": [[name]] * len(part)},
        workspace=folder / name,
        shard_size=8,
        key=name,
    )


@pytest.mark.parametrize("harm", [lambda content: content[:40], lambda content: b"", lambda content: content[::-1]])
def test_kept_answers_that_are_damaged_are_not_used_and_the_others_are(tmp_path, harm):
    keep(tmp_path, "first")
    keep(tmp_path, "second")
    shard = tmp_path / "second" / "shard-00000000"
    shard.write_bytes(harm(shard.read_bytes()))
    assert _kept_replies(tmp_path) == {"first": ["first"]}
