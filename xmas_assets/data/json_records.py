"""Records out of JSON lists and JSON lines: each as its exact bytes and its parsed value."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import orjson

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.contracts.samples import Reason
from xmas_assets.data.json_slices import MAX_RECORD_BYTES, RawSlice, line_slices, list_slices, wrapped_slices


class RawRecord(NamedTuple):
    """One record as it is in its source.

    Attributes:
        source_file: Position of the file in its list.
        source_row: Position of the record in its file, counted from 0; blank lines are not records.
        raw: The exact bytes (only the first ones if ``reason`` is ``too_large``); None for Parquet.
        n_bytes: What the record takes in memory, roughly.
        value: The parsed record, None if ``reason`` is set.
        reason: Why it could not be parsed, if it could not.
        detail: What was seen, if it could not be parsed.
    """

    source_file: int
    source_row: int
    raw: bytes | None
    n_bytes: int
    value: Any
    reason: Reason | None = None
    detail: str = ""


def list_records(path: Path, source_file: int) -> Iterator[RawRecord]:
    """Parsed records of a JSON list; one that is not JSON refuses the file, since what follows cannot be trusted.

    Raises:
        DatasetError: With the record's number and byte position.
    """
    yield from listed_records(path, list_slices(path), source_file)


def wrapped_records(path: Path, source_file: int) -> Iterator[RawRecord]:
    """Parsed records of a list in a JSON object (``json_slices.WRAPPERS``), as ``list_records``."""
    yield from listed_records(path, wrapped_slices(path), source_file)


def listed_records(path: Path, pieces: Iterable[RawSlice], source_file: int) -> Iterator[RawRecord]:
    """Parsed records of pieces of a file; as ``list_records``."""
    for row, piece in enumerate(pieces):
        record = parsed_record(piece, source_file, row)
        if record.reason is Reason.BAD_JSON:
            raise DatasetError(
                f"{path.name}: record {row} at byte {piece.offset} is not valid JSON ({record.detail}); repair it, or "
                "write one record per line (JSONL), where only the bad line is set aside"
            )
        yield record


def line_records(path: Path, source_file: int) -> Iterator[RawRecord]:
    """Parsed records of a JSONL file; a line that is not JSON is a rejected record, the others are not affected.

    Raises:
        DatasetError: If the file stops in the middle of its last record, as a broken download does.
    """
    for row, piece in enumerate(line_slices(path)):
        record = parsed_record(piece, source_file, row)
        if record.reason is Reason.BAD_JSON and piece.is_unended:
            raise DatasetError(
                f"{path.name}: the last record ({row}, at byte {piece.offset}) is cut off ({record.detail}); "
                "get the whole file, or delete that line"
            )
        yield record


def parsed_record(piece: RawSlice, source_file: int, row: int) -> RawRecord:
    """A record out of its bytes; one that is not JSON comes with the reason."""
    if piece.is_cut:
        detail = f"record is larger than {MAX_RECORD_BYTES} bytes"
        return RawRecord(source_file, row, piece.raw, len(piece.raw), None, Reason.TOO_LARGE, detail)
    try:
        value = orjson.loads(piece.raw)
        if isinstance(value, dict) and isinstance(value.get("id"), float):  # beyond 64 bits an integer lost digits
            value["id"] = json.loads(piece.raw)["id"]
        return RawRecord(source_file, row, piece.raw, len(piece.raw), value)
    except orjson.JSONDecodeError as error:
        reason, detail = _why_unparsed(piece.raw, str(error))
        return RawRecord(source_file, row, piece.raw, len(piece.raw), None, reason, detail)


def _why_unparsed(raw: bytes, message: str) -> tuple[Reason, str]:
    """Distinguish broken JSON from what a more lenient parser reads: bad bytes, lone surrogates, control characters."""
    try:
        json.loads(raw.decode("utf-8"), strict=False, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        return Reason.BAD_ENCODING, f"byte {error.start} of the record is not UTF-8"
    except RecursionError:
        return Reason.TOO_LARGE, "nested too deeply"
    except ValueError:
        return Reason.BAD_JSON, message
    return Reason.BAD_TEXT, message


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
