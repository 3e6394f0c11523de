import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from xmas_assets.store.digests import table_digest
from xmas_assets.store.tables import open_tables, write_tables

FRAME = pl.DataFrame(
    {
        "id": ["a", None, "ccc", ""],
        "n": [1, None, 3, 4],
        "tags": [["x", "y"], [], None, ["z"]],
        "turns": [[{"role": "user", "text": "hi"}], [], [{"role": None, "text": "b"}], None],
        "v": pl.Series(np.arange(8, dtype=np.float32).reshape(4, 2)),
        "ok": [True, None, False, True],
    }
)


def test_the_digest_does_not_depend_on_chunks_slices_or_type_widths():
    table = FRAME.to_arrow()
    chunked = pa.concat_tables([table.slice(0, 1), table.slice(1, 3)])
    small = table.set_column(0, "id", table.column("id").cast(pa.string()))
    padded = pa.concat_tables([table, table]).slice(4, 4)
    assert {table_digest(t) for t in (FRAME, table, chunked, small, padded)} == {table_digest(table)}


def test_the_digest_does_not_depend_on_the_producers_batches():
    frame = pl.DataFrame({"row": np.arange(50_000)})
    table = frame.to_arrow()
    assert table_digest(pa.Table.from_batches(table.to_batches(max_chunksize=333))) == table_digest(frame)


def test_a_stored_table_carries_the_digest_of_its_content(tmp_path):
    write_tables(tmp_path, {"t": FRAME}, metadata={"a": "1"})
    assert open_tables(tmp_path)["t"].digest == table_digest(FRAME)


def test_a_parquet_file_of_someone_else_has_the_same_digest(tmp_path):
    FRAME.write_parquet(tmp_path / "t.parquet")
    assert open_tables(tmp_path)["t"].digest == table_digest(FRAME)


@pytest.mark.parametrize(
    "change",
    [
        pl.col("id").replace("ccc", "ccd"),
        pl.col("id").fill_null(""),
        pl.col("n").fill_null(0),
        pl.col("n").cast(pl.Int32),
        pl.col("tags").list.reverse(),
        pl.col("tags").fill_null([]),
        pl.col("ok").fill_null(False),
        pl.col("v").reverse(),
    ],
)
def test_any_change_of_a_value_or_type_changes_the_digest(change):
    assert table_digest(FRAME.with_columns(change)) != table_digest(FRAME)


def test_names_and_rows_order_count():
    digests = {table_digest(FRAME), table_digest(FRAME.rename({"id": "ID"})), table_digest(FRAME.reverse())}
    assert len(digests | {table_digest(FRAME.head(3))}) == 4


def test_text_cannot_flow_from_one_row_into_the_next():
    assert table_digest(pl.DataFrame({"x": ["ab", "c"]})) != table_digest(pl.DataFrame({"x": ["a", "bc"]}))


def test_lists_cannot_flow_from_one_row_into_the_next():
    assert table_digest(pl.DataFrame({"x": [[1, 2], [3]]})) != table_digest(pl.DataFrame({"x": [[1], [2, 3]]}))


def test_several_tables_have_one_digest_whatever_their_order():
    other = pl.DataFrame({"x": [1]})
    assert table_digest({"a": FRAME, "b": other}) == table_digest({"b": other, "a": FRAME})
    assert table_digest({"a": FRAME, "b": other}) != table_digest({"b": FRAME, "a": other})


def test_a_type_without_a_stable_content_is_refused():
    with pytest.raises(TypeError, match="have no content hash"):
        table_digest(pa.table({"x": pa.array(["a"]).dictionary_encode()}))
