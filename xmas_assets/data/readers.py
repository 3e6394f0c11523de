"""Which format a file has, and its records, in any format. Not what a record means: see ``validators``."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import orjson

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.data.json_records import RawRecord, line_records, list_records
from xmas_assets.data.parquet_records import CONVERSATION_FIELDS, parquet_records, shared_schema
from xmas_assets.files.whole import check_readable

Container = Literal["list", "lines", "parquet"]

_READERS: dict[Container, Callable[[Path, int], Iterator[RawRecord]]] = {
    "list": list_records,
    "lines": line_records,
    "parquet": parquet_records,
}
# LLaVA and ShareGPT records differ only in their keys, which are read record by record; the container is what counts.
CONTAINERS: dict[str, tuple[Container, ...]] = {
    "llava_json": ("list",),
    "llava_jsonl": ("lines",),
    "sharegpt": ("list", "lines"),
    "parquet": ("parquet",),
}
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_FIRST_BYTES = 1 << 16


def read_records(paths: tuple[Path, ...], file_format: str | None = None) -> Iterator[RawRecord]:
    """All records of the files, file by file in order; bad records come with their reason, none is left out.

    Args:
        paths: Annotation files.
        file_format: One of ``llava_json, llava_jsonl, sharegpt, parquet``; None detects it file by file.

    Raises:
        DatasetError: If a file cannot be read as what it is, or is not of the given format.
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
        yield from _READERS[container](path, source_file)


def detect_container(path: Path) -> Container:
    """Distinguish a JSON list, JSON lines and Parquet by their first bytes; the file's name does not matter.

    Raises:
        DatasetError: If the file is none of them, empty, UTF-16, or a JSON object that is not a record.
    """
    check_readable(path)
    with path.open("rb") as stream:
        first = stream.read(_FIRST_BYTES)
    if first.startswith(b"PAR1"):
        return "parquet"
    if first.startswith(_UTF16_MARKS) or b"\x00" in first[:4]:
        raise DatasetError(f"{path.name}: is UTF-16 or UTF-32; convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)")
    text = first.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
    if not text:
        raise DatasetError(f"{path.name}: holds no records; give a file with at least one")
    if text.startswith(b"["):
        return "list"
    if text.startswith(b"{"):
        _refuse_lone_object(path, text)
        return "lines"
    raise DatasetError(f"{path.name}: neither JSON nor Parquet (starts with {text[:16]!r}); {_formats_help()}")


def _refuse_lone_object(path: Path, text: bytes) -> None:
    """Refuse ``{"data": [...]}`` and objects printed over several lines, which are not JSON lines."""
    line, line_end, _ = text.partition(b"\n")
    try:
        first = orjson.loads(line)
    except orjson.JSONDecodeError:
        if line_end and line.strip() == b"{":
            raise DatasetError(f"{path.name}: the top level is one object over many lines; {_formats_help()}") from None
        return
    if not any(field in first for field in CONVERSATION_FIELDS) and "id" not in first:
        keys = ", ".join(map(str, first))[:200]
        raise DatasetError(f"{path.name}: the top level is an object with the keys {keys}; {_formats_help()}")


def described(container: Container) -> str:
    """A container's name for people."""
    return {"list": "a JSON list", "lines": "JSON lines", "parquet": "Parquet"}[container]


def _formats_help() -> str:
    return "give a JSON list of records, one JSON record per line, or Parquet"
