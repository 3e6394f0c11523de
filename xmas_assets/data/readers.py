"""Which format a file has, and its records, in any format. Not what a record means: see ``validators``."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import orjson

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.data.columns import renamed
from xmas_assets.data.json_columns import column_records, is_by_column
from xmas_assets.data.json_records import RawRecord, line_records, list_records, wrapped_records
from xmas_assets.data.json_slices import WRAPPERS
from xmas_assets.data.parquet_records import parquet_records, shared_schema
from xmas_assets.data.shapes import may_hold_records, nearest_shape
from xmas_assets.data.source_bytes import is_gzipped, opened
from xmas_assets.data.table_records import arrow_records, csv_records, tsv_records
from xmas_assets.data.tar_records import tar_records
from xmas_assets.files.whole import check_readable

Container = Literal["list", "wrapped", "columns", "lines", "parquet", "arrow", "csv", "tsv", "tar"]


class Form(NamedTuple):
    """A form of annotation files: its name for people, and an iterator of its records in bounded memory."""

    described: str
    records: Callable[[Path, int], Iterator[RawRecord]]


FORMS: dict[Container, Form] = {
    "list": Form("a JSON list", list_records),
    "wrapped": Form("a JSON object that holds a list", wrapped_records),
    "columns": Form("a JSON object of lists by column", column_records),
    "lines": Form("JSON lines", line_records),
    "parquet": Form("Parquet", parquet_records),
    "arrow": Form("Arrow", arrow_records),
    "csv": Form("CSV", csv_records),
    "tsv": Form("TSV", tsv_records),
    "tar": Form("a WebDataset shard (TAR)", tar_records),
}
"""Every form that is read; ``detect_container`` recognises them."""

# LLaVA and ShareGPT records differ only in their keys, which are read record by record; the container is what counts.
CONTAINERS: dict[str, tuple[Container, ...]] = {
    "llava_json": ("list", "wrapped", "columns"),
    "llava_jsonl": ("lines",),
    "sharegpt": ("list", "wrapped", "columns", "lines"),
    "parquet": ("parquet", "arrow"),
}
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_FIRST_BYTES = 1 << 16
_TABLES: tuple[Container, ...] = ("parquet", "arrow", "csv", "tsv", "columns")
_SEPARATED: dict[str, Container] = {".csv": "csv", ".tsv": "tsv"}
_PLAIN_PAIR = rb'\s*"[^"\\]*"\s*:\s*(?:"[^"\\]*"|[^\s"{}\[\],]+)\s*,'
_WRAPPED = re.compile(rb'\{(?:%s)*\s*"(?:%s)"\s*:\s*\[' % (_PLAIN_PAIR, "|".join(WRAPPERS).encode()))


def read_records(
    paths: tuple[Path, ...], file_format: str | None = None, columns: Mapping[str, str] | None = None
) -> Iterator[RawRecord]:
    """All records of the files, file by file in order; bad records come with their reason, none is left out.

    Args:
        paths: Annotation files.
        file_format: One of ``llava_json, llava_jsonl, sharegpt, parquet``; None detects it file by file.
        columns: The users' names of fields, with ours; records keep theirs.

    Raises:
        DatasetError: If a file cannot be read as what it is, is not of the given format, or is a table without columns
            for turns.
    """
    containers: list[Container] = [detect_container(path) for path in paths]
    for path, container in zip(paths, containers, strict=True):
        if file_format is not None and container not in CONTAINERS[file_format]:
            raise DatasetError(
                f"{path.name}: is {described(container)}, but format {file_format!r} is registered; "
                "correct 'format' or remove it, then it is detected"
            )
    shards = tuple(path for path, container in zip(paths, containers, strict=True) if container == "parquet")
    if shards:
        shared_schema(shards)
    for source_file, (path, container) in enumerate(zip(paths, containers, strict=True)):
        records = FORMS[container].records(path, source_file)
        yield from _with_turns(path, records, columns) if container in _TABLES else records


def _with_turns(path: Path, records: Iterator[RawRecord], columns: Mapping[str, str] | None) -> Iterator[RawRecord]:
    """The records of a table, once its columns are found to hold turns."""
    for record in records:
        if isinstance(record.value, dict):
            names = list(renamed(record.value, columns))
            if not may_hold_records(names):
                raise DatasetError(f"{path.name}: no conversation among its columns: {nearest_shape(names)}")
            yield record
            break
        yield record
    yield from records


def detect_container(path: Path) -> Container:
    """The form of a file by its first bytes; by its name only for CSV and TSV, gzipped or not.

    Raises:
        DatasetError: If the file is none of them, empty, UTF-16, or a JSON object that holds no records.
    """
    check_readable(path)
    with opened(path) as stream:
        first = stream.read(_FIRST_BYTES)
    if first.startswith(b"PAR1"):
        return "parquet"
    if first.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return "arrow"
    if first[257:262] == b"ustar":
        if is_gzipped(path):
            raise DatasetError(f"{path.name}: is a gzipped TAR, which is read from its end too; unpack it (gunzip)")
        return "tar"
    if first.startswith(_UTF16_MARKS) or b"\x00" in first[:4]:
        raise DatasetError(f"{path.name}: is UTF-16 or UTF-32; convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)")
    text = first.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
    if not text:
        raise DatasetError(f"{path.name}: holds no records; give a file with at least one")
    if text.startswith(b"["):
        return "list"
    if text.startswith(b"{"):
        return _object_container(path, text)
    separated = _SEPARATED.get(Path(path.name.lower().removesuffix(".gz")).suffix)
    if separated is not None:
        return separated
    raise DatasetError(f"{path.name}: of no form that is read (starts with {text[:16]!r}); {_forms_help()}")


def _object_container(path: Path, text: bytes) -> Container:
    """Distinguish JSON lines from one object around a list of records, or of columns; any other one is refused."""
    if not _WRAPPED.match(text) and is_by_column(path, text):
        return "columns"
    line, line_end, rest = text.partition(b"\n")
    try:
        first = orjson.loads(line)
    except orjson.JSONDecodeError:
        if _WRAPPED.match(text):
            return "wrapped"
        if line_end and line.strip() == b"{":
            raise DatasetError(f"{path.name}: the top level is one object over many lines; {_forms_help()}") from None
        return "lines"
    is_followed = rest.lstrip(b" \t\r\n").startswith(b"{")
    if may_hold_records(first) or "id" in first or is_followed:
        return "lines"
    if any(isinstance(first.get(name), list) for name in WRAPPERS):
        return "wrapped"
    seen = nearest_shape(first)
    raise DatasetError(f"{path.name}: the top level is an object in which {seen}; {_forms_help()}")


def described(container: Container) -> str:
    """A container's name for people."""
    return FORMS[container].described


def _forms_help() -> str:
    return f"give {', '.join(form.described for form in FORMS.values())}"
