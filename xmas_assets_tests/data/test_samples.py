import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xmas_assets.contracts.errors import StoreError
from xmas_assets.contracts.samples import Sample, Turn
from xmas_assets.data.samples import Samples, dataset_digest
from xmas_assets.data.tables import SAMPLES_SCHEMA
from xmas_assets_tests.data.making import image_root, picture, read_records_of, record, seen, talk


def table_of(folder, records, **fields) -> pa.Table:
    return pa.Table.from_pylist(read_records_of(folder, records, **fields).samples, schema=SAMPLES_SCHEMA)


@pytest.fixture
def table(tmp_path):
    """Rows 0 to 9, whose answers are their numbers, in three chunks."""
    rows = table_of(
        tmp_path, [record(id=f"n{index}", conversations=talk("Number?", str(index))) for index in range(10)]
    )
    return pa.concat_tables([rows.slice(0, 4), rows.slice(4, 1), rows.slice(5)])


def answers(samples) -> list[str]:
    return [sample.turns[-1].text for sample in samples]


def test_a_row_is_the_sample_that_was_read(tmp_path):
    table = table_of(tmp_path, [seen(task="pets")], images=image_root(tmp_path))
    assert Samples(table)[0] == Sample(
        sample_id="a",
        turns=(Turn("user", "<image>\nWhat is it?"), Turn("assistant", "A cat.")),
        images=("a.png",),
        image_hashes=tuple(table["image_hashes"][0].as_py()),
        task="pets",
    )


def test_samples_are_a_sequence(table):
    samples = Samples(table)
    assert len(samples) == 10
    assert answers(samples) == list("0123456789")
    assert [answers([samples[index]])[0] for index in (0, 3, 4, 5, 9, -1, -10)] == ["0", "3", "4", "5", "9", "9", "0"]
    assert answers(samples[2:8:3]) == ["2", "5"]
    for outside in (10, -11):
        with pytest.raises(IndexError):
            samples[outside]


def test_taken_rows_come_in_the_given_order_and_can_be_taken_from_again(table):
    taken = Samples(table).take([7, 0, 7, 4])
    assert answers(taken) == ["7", "0", "7", "4"]
    assert answers(taken.take([3, 0])) == ["4", "7"]
    with pytest.raises(IndexError, match="outside 0..3"):
        taken.take([4])


def test_samples_open_from_parquet_under_a_path_with_equals_signs(table, tmp_path):
    path = tmp_path / "dataset=made" / "part.parquet"
    path.parent.mkdir()
    pq.write_table(table, path)
    assert answers(Samples.open(path)) == list("0123456789")


def test_a_table_of_something_else_is_refused(tmp_path):
    pq.write_table(pa.table({"x": [1]}), tmp_path / "x.parquet")
    (tmp_path / "y.parquet").write_bytes(b"PAR1")
    for path in (tmp_path / "x.parquet", tmp_path / "y.parquet", tmp_path / "none.parquet"):
        with pytest.raises(StoreError):
            Samples.open(path)


def test_the_digest_does_not_depend_on_the_order_of_the_rows(tmp_path):
    records = [record(id="a"), record(id="a", conversations=talk("x", "y")), record(id=...), record(id="c", task="t")]
    assert dataset_digest(table_of(tmp_path, records)) == dataset_digest(table_of(tmp_path, records[::-1]))


def test_the_digest_changes_with_text_id_task_and_image_bytes(tmp_path):
    root = image_root(tmp_path)
    changes = [{}, {"id": "b"}, {"task": "t"}, {"conversations": talk("<image>\nWhat is it?", "A dog.")}]
    digests = [dataset_digest(table_of(tmp_path, [seen(**change)], images=root)) for change in changes]
    image_root(tmp_path, a_png=picture("blue"))
    digests.append(dataset_digest(table_of(tmp_path, [seen()], images=root)))
    assert len(set(digests)) == 5
