"""Every form of file with every shape of record: all give the samples of the LLaVA record of the same content."""

import csv
import gzip
import io
import json
import tarfile
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xmas_assets.data.readers import FORMS, detect_container
from xmas_assets.data.registration import Registration
from xmas_assets.data.shapes import SHAPES as READ
from xmas_assets_tests.data.making import read, write
from xmas_assets_tests.data.shapes import BLUE, FILES, PATHS, RED, SHAPES, expected_turns

Records = list[dict[str, Any]]


def lists(records: Records, *, indent: int | None = None, wrapper: str = "") -> bytes:
    return json.dumps({"version": [1], wrapper: records} if wrapper else records, indent=indent).encode()


def lines(records: Records) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def by_column(records: Records) -> bytes:
    return json.dumps({name: [record[name] for record in records] for name in records[0]}).encode()


def separated(records: Records, separator: str) -> bytes:
    """A table of texts: what is no text stands there as JSON."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator)
    writer.writerow(records[0])
    for record in records:
        writer.writerow([value if isinstance(value, str) else json.dumps(value) for value in record.values()])
    return text.getvalue().encode()


def table(records: Records) -> pa.Table:
    """A table of nested columns; of JSON text where the values of a column have several types, which Arrow has not."""
    columns = {}
    for name in records[0]:
        values = [record[name] for record in records]
        try:
            columns[name] = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            columns[name] = pa.array([json.dumps(value) for value in values])
    return pa.table(columns)


def parquet(records: Records) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table(records), stream)
    return stream.getvalue()


def arrow(records: Records, *, as_file: bool) -> bytes:
    stream, made = io.BytesIO(), table(records)
    with (pa.ipc.new_file if as_file else pa.ipc.new_stream)(stream, made.schema) as writer:
        writer.write_table(made)
    return stream.getvalue()


def shard(records: Records, *, pictures: dict[str, bytes] | None = None) -> bytes:
    """A WebDataset shard, with pictures under the endings that the records name, or without."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for row, record in enumerate(records):
            for ending, data in {"json": json.dumps(record).encode(), **(pictures or {})}.items():
                member = tarfile.TarInfo(f"{row:06}.{ending}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def saved_to_disk(folder: Path, records: Records) -> Path:
    """As ``datasets`` saves a dataset."""
    write(folder, arrow(records, as_file=False), "data-00000-of-00001.arrow")
    write(folder, json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}), "state.json")
    write(folder, "{}", "dataset_info.json")
    return folder


class Form(NamedTuple):
    """How records are written in a form, and the name of the file."""

    name: str
    made: Callable[[Records], bytes]

    def write(self, folder: Path, records: Records) -> Path:
        return write(folder, self.made(records), self.name)


FORMS_TRIED = {
    "JSON list": Form("a.json", lists),
    "JSON list, indented": Form("a.json", partial(lists, indent=1)),
    "JSON list, gzipped": Form("a.json.gz", lambda records: gzip.compress(lists(records))),
    "JSON object around the list": Form("a.json", partial(lists, wrapper="data")),
    "JSON object of lists by column": Form("a.json", by_column),
    "JSON object of lists by column, gzipped": Form("a.json.gz", lambda records: gzip.compress(by_column(records))),
    "JSON lines": Form("a.jsonl", lines),
    "JSON lines, gzipped": Form("a.jsonl.gz", lambda records: gzip.compress(lines(records))),
    "CSV": Form("a.csv", partial(separated, separator=",")),
    "CSV, gzipped": Form("a.csv.gz", lambda records: gzip.compress(separated(records, ","))),
    "TSV": Form("a.tsv", partial(separated, separator="\t")),
    "Parquet": Form("a.parquet", parquet),
    "Arrow file": Form("a.arrow", partial(arrow, as_file=True)),
    "Arrow stream": Form("a.arrow", partial(arrow, as_file=False)),
    "folder of `save_to_disk`": None,
    "WebDataset shard": Form("a.tar", shard),
}


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    return folder


def assert_read(source: Path, name: str, images: Path | None, store: Path) -> None:
    """The file holds two samples of the reference's content, with the ids 1 and 2."""
    result = read(Registration.create("made", [source], images=images), image_store=store)
    assert [item["detail"] for item in result.quarantine] == []
    assert [row["sample_id"] for row in result.samples] == ["1", "2"]
    for row in result.samples:
        assert [(turn["role"], turn["text"]) for turn in row["turns"]] == expected_turns(name)
        assert row["image_hashes"] == [sha256(data).hexdigest() for data in (RED, BLUE)]


def records_of(name: str) -> Records:
    return [{"id": "1", **SHAPES[name]}, {"id": "2", **SHAPES[name]}]


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("form", FORMS_TRIED)
def test_a_form_with_a_shape_gives_the_samples_of_the_reference(tmp_path, images, form, name):
    chosen = FORMS_TRIED[form]
    records = records_of(name)
    source = saved_to_disk(tmp_path / "saved", records) if chosen is None else chosen.write(tmp_path, records)
    assert_read(source, name, images, tmp_path / "store")


def test_every_form_and_every_shape_is_among_them(tmp_path):
    records = records_of("llava")
    files = [form.write(tmp_path / str(n), records) for n, form in enumerate(FORMS_TRIED.values()) if form is not None]
    assert {detect_container(file) for file in files} == set(FORMS)
    shapes = {shape.fields for shape in READ for given in SHAPES.values() if set(shape.fields) <= set(given)}
    assert shapes == {shape.fields for shape in READ}


NAMED_PLAINLY = [name for name, given in SHAPES.items() if given.get("images") == PATHS]
NAMED_IN_PARTS = ["qwen parts", "axolotl path", "axolotl url", "openai parts", "untyped parts"]


@pytest.mark.parametrize("name", NAMED_PLAINLY + NAMED_IN_PARTS)
def test_pictures_inside_a_shard_are_those_that_a_field_or_a_part_of_any_shape_names(tmp_path, name):
    source = write(tmp_path, shard(records_of(name), pictures=FILES), "a.tar")
    assert_read(source, name, None, tmp_path / "store")


def test_the_docs_list_every_form_that_is_tried():
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert [form for form in FORMS_TRIED if not any(row.startswith(f"| {form} |") for row in rows)] == []
