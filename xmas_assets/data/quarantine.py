"""Refused records: their rows in the quarantine table, and the message where none was accepted."""

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from xmas_assets.contracts.errors import DatasetError, NoRowsError
from xmas_assets.contracts.samples import Reason
from xmas_assets.data.json_records import RawRecord
from xmas_assets.data.json_slices import on_one_line
from xmas_assets.data.refusals import Rejection
from xmas_assets.data.validators import source_id_of

_RAW_CHARS = 2000
_N_SHOWN = 3


class Refusals:
    """Counts the refused records of a split, and keeps the first of each reason for the message."""

    def __init__(self, *, where: str, paths: tuple[Path, ...]) -> None:
        """Begin a split.

        Args:
            where: The field of the registration that names its files.
            paths: Its files.
        """
        self.reasons: Counter[str] = Counter()
        self._first: dict[str, str] = {}
        self._where = where
        self._paths = paths

    def note(self, refused: pa.RecordBatch) -> None:
        """Count rows of the quarantine table."""
        columns = (refused[name].to_pylist() for name in ("reason", "detail", "source_file", "source_row"))
        for reason, detail, source_file, row in zip(*columns, strict=True):
            self.reasons[reason] += 1
            self._first.setdefault(reason, f"record {row} of {self._paths[source_file].name}: {detail}")

    def check_some_left(self, n_rows: int, *, images: Path | None) -> None:
        """Refuse a split that has no records, or only refused ones.

        Raises:
            DatasetError: If there are none.
            NoRowsError: If all were refused; with the most frequent reasons, and the first record of each.
        """
        if n_rows == 0:
            raise DatasetError(f"the {self._where} files hold 0 records; give files with at least one")
        if self.reasons.total() < n_rows:
            return
        top = self.reasons.most_common(_N_SHOWN)
        seen = ", ".join(f"{reason} ({count}; {self._first[reason]})" for reason, count in top)
        looked_in = f"; images are looked for in {images}" if any("image" in reason for reason, _ in top) else ""
        raise NoRowsError(
            f"all {n_rows} records of {self._where} were refused: {seen}{looked_in}; correct the source, or the "
            "registration"
        )


def quarantine_row(split: str, record: RawRecord, rejection: Rejection) -> dict[str, Any]:
    """A refused record as a row of ``QUARANTINE_SCHEMA``; of one that is forgotten, only where it stands."""
    is_forgotten = rejection.reason is Reason.FORGOTTEN
    return {
        "split": split,
        "source_file": record.source_file,
        "source_row": record.source_row,
        "source_id": None if is_forgotten else source_id_of(record.value),
        "reason": rejection.reason.value,
        "detail": rejection.detail,
        "raw": "" if is_forgotten else start_of(record),
    }


def start_of(record: RawRecord) -> str:
    """The first 2,000 characters of a record as text."""
    raw = json_of(record) if record.raw is None else record.raw
    return raw[: 4 * _RAW_CHARS].decode("utf-8", "replace")[:_RAW_CHARS]


def json_of(record: RawRecord) -> bytes:
    """A record as JSON on one line: its own bytes where it was JSON, with the sizes of pictures that it holds as bytes.

    What is no JSON, or too large to be read, is the text of its (first) bytes.
    """
    if record.raw is None:
        return b"" if record.value is None else orjson.dumps(record.value, default=_image_bytes_as_text)
    if record.value is None:
        return orjson.dumps(record.raw.decode("utf-8", "replace"))
    return on_one_line(record.raw)


def _image_bytes_as_text(value: Any) -> str:
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else str(value)
