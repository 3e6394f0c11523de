"""Records out of CSV, TSV and Arrow files, such as Hugging Face's ``save_to_disk`` writes, a few rows at a time."""

import csv
import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.contracts.messages import one_line
from xmas_assets.contracts.samples import Reason
from xmas_assets.data.json_records import RawRecord
from xmas_assets.data.json_slices import MAX_RECORD_BYTES
from xmas_assets.data.parquet_records import BATCH_ROWS, batch_records
from xmas_assets.data.source_bytes import opened


def arrow_records(path: Path, source_file: int) -> Iterator[RawRecord]:
    """Records of an Arrow file or stream, as dicts of its columns; the file is mapped, not loaded.

    Raises:
        DatasetError: If it is damaged.
    """
    yield from batch_records(_arrow_batches(path), source_file)


def _arrow_batches(path: Path) -> Iterator[pa.RecordBatch]:
    n_rows = 0
    try:
        with pa.memory_map(str(path)) as source:
            is_file = source.read(6) == b"ARROW1"
            source.seek(0)
            reader = pa.ipc.open_file(source) if is_file else pa.ipc.open_stream(source)
            batches = map(reader.get_batch, range(reader.num_record_batches)) if is_file else iter(reader)
            for batch in batches:
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    yield batch.slice(start, BATCH_ROWS)
                n_rows += batch.num_rows
    except (OSError, pa.ArrowException) as error:
        problem = one_line(error, 200)
        raise DatasetError(f"{path.name}: damaged after row {n_rows} ({problem}); get the file again") from None


def _separated_records(path: Path, source_file: int, *, separator: str) -> Iterator[RawRecord]:
    """Records of a table of texts, as dicts by its header; an empty cell is null.

    Raises:
        DatasetError: If the header names a column twice, or a quote is not closed.
    """
    csv.field_size_limit(MAX_RECORD_BYTES)
    stream = io.TextIOWrapper(opened(path), "utf-8-sig", errors="surrogateescape", newline="")
    with stream:
        rows = csv.reader(stream, delimiter=separator, strict=True)
        try:
            header = next(rows, [])
            _check_columns(path, header)
            for row, cells in enumerate(cells for cells in rows if cells):
                yield _record(header, cells, source_file, row)
        except csv.Error as error:
            raise DatasetError(f"{path.name}: near line {rows.line_num}: {error}; repair the file") from None


def _check_columns(path: Path, names: list[str]) -> None:
    if len(set(names)) < len(names):
        raise DatasetError(f"{path.name}: a column stands there twice; rename one")


def _record(header: list[str], cells: list[str], source_file: int, row: int) -> RawRecord:
    n_bytes = sum(map(len, cells))
    if len(cells) != len(header):
        detail = f"the row has {len(cells)} cells, the header {len(header)}"
        return RawRecord(source_file, row, None, n_bytes, None, Reason.BAD_VALUE, detail)
    if any(not cell.isascii() and any("\udc80" <= sign <= "\udcff" for sign in cell) for cell in cells):
        return RawRecord(source_file, row, None, n_bytes, None, Reason.BAD_ENCODING, "a cell is not UTF-8")
    values = {name: cell or None for name, cell in zip(header, cells, strict=True)}
    return RawRecord(source_file, row, None, n_bytes, values)


csv_records: Callable[[Path, int], Iterator[RawRecord]] = partial(_separated_records, separator=",")
tsv_records: Callable[[Path, int], Iterator[RawRecord]] = partial(_separated_records, separator="\t")
