"""Records written anew in another format than their source's: id, turns with weights, images and task; nothing else."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.data.images import STORE_PREFIX, store_image
from xmas_assets.data.json_records import RawRecord
from xmas_assets.data.json_slices import write_records
from xmas_assets.data.validators import Draft, validate

_LLAVA_ROLES = {"system": "system", "user": "human", "assistant": "gpt"}
_PARQUET_ROWS = 64
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_TURN = [("from", pa.string()), ("value", pa.string())]
_WEIGHT = ("weight", pa.float64())


def convert_records(
    records: Callable[[], Iterable[RawRecord]],
    file_format: str,
    *,
    lines: bool,
    columns: Mapping[str, str] | None,
    read_image: Callable[[str], bytes],
    extracted: Path,
    target: Path,
) -> int:
    """Write records in a format of ours.

    Args:
        records: Gives them as read from their source; all of them were accepted when the dataset was read.
        file_format: ``llava_json``, ``llava_jsonl``, ``sharegpt`` or ``parquet``.
        lines: JSON lines instead of a JSON list.
        columns: The users' names of fields, with ours.
        read_image: Gives the bytes of an image by its reference, for a Parquet file.
        extracted: Folder for images that a JSON file cannot hold; written only if there are such.
        target: File to write.

    Returns:
        Records written.

    Raises:
        DatasetError: If a record is not valid.
        ImageError: If an image cannot be read or is none.
    """

    def drafts() -> Iterator[Draft]:
        return (_accepted(record, columns) for record in records())

    if file_format == "parquet":
        n_written = _write_parquet(drafts(), read_image, target, has_weights=False)
        return _write_parquet(drafts(), read_image, target, has_weights=True) or 0 if n_written is None else n_written
    make = _sharegpt_record if file_format == "sharegpt" else _llava_record
    written = (orjson.dumps(make(draft, [_path(image, extracted) for image in draft.images])) for draft in drafts())
    return write_records(written, target, lines=lines)


def _accepted(record: RawRecord, columns: Mapping[str, str] | None) -> Draft:
    draft = validate(record, columns)
    if not isinstance(draft, Draft):
        raise DatasetError(f"record {record.source_row} is not valid ({draft.detail}); read the dataset again")
    return draft


def _path(image: str | bytes, extracted: Path) -> str:
    if isinstance(image, str):
        return image
    return f"{extracted.name}/{store_image(image, extracted).removeprefix(STORE_PREFIX)}"


def _common_fields(draft: Draft) -> dict[str, Any]:
    given = {"id": draft.source_id, "task": draft.task}
    return {name: value for name, value in given.items() if value is not None}


def _llava_record(draft: Draft, paths: list[str]) -> dict[str, Any]:
    image = {"image": paths[0] if len(paths) == 1 else paths} if paths else {}
    return {**_common_fields(draft), **image, "conversations": _llava_turns(draft)}


def _llava_turns(draft: Draft) -> list[dict[str, Any]]:
    return _weighted(draft, [{"from": _LLAVA_ROLES[turn.role], "value": turn.text} for turn in draft.turns])


def _weighted(draft: Draft, turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The turns of a record, answers with their weights where not all are 1."""
    if not draft.loss_weights:
        return turns
    weights = iter(draft.loss_weights)
    pairs = zip(turns, draft.turns, strict=True)
    return [turn | {"weight": next(weights)} if source.role == "assistant" else turn for turn, source in pairs]


def _sharegpt_record(draft: Draft, paths: list[str]) -> dict[str, Any]:
    messages = _weighted(draft, [{"role": turn.role, "content": turn.text} for turn in draft.turns])
    return {**_common_fields(draft), "messages": messages, "images": paths}


def _write_parquet(
    drafts: Iterator[Draft], read_image: Callable[[str], bytes], target: Path, *, has_weights: bool
) -> int | None:
    """Write a table; gives the number of rows, or None if a row turns out to have weights where none has a column."""
    n_written = 0
    schema = _schema(has_weights=has_weights)
    with pq.ParquetWriter(target, schema) as writer:
        while chunk := list(islice(drafts, _PARQUET_ROWS)):
            if not has_weights and any(draft.loss_weights for draft in chunk):
                return None
            rows = [
                {
                    "id": draft.source_id,
                    "task": draft.task,
                    "images": [_image_struct(image, read_image) for image in draft.images],
                    "conversations": _llava_turns(draft),
                }
                for draft in chunk
            ]
            writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=schema))
            n_written += len(chunk)
    return n_written


def _schema(*, has_weights: bool) -> pa.Schema:
    turn = pa.struct([*_TURN, _WEIGHT] if has_weights else _TURN)
    types = {"id": pa.string(), "task": pa.string(), "images": pa.list_(_IMAGE), "conversations": pa.list_(turn)}
    return pa.schema(list(types.items()))


def _image_struct(image: str | bytes, read_image: Callable[[str], bytes]) -> dict[str, Any]:
    if isinstance(image, bytes):
        return {"bytes": image, "path": None}
    return {"bytes": read_image(image), "path": image}
