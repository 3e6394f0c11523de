"""Columns of the tables that reading a dataset gives."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import pyarrow as pa

from xmas_assets.data.samples import LOSS_WEIGHTS as _LOSS_WEIGHTS

_TURN = pa.struct([("role", pa.string()), ("text", pa.string())])

SAMPLES_SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("source_id", pa.string()),
        pa.field("source_file", pa.int32(), nullable=False),
        pa.field("source_row", pa.int64(), nullable=False),
        pa.field("task", pa.string()),
        pa.field("images", pa.list_(pa.string()), nullable=False),
        pa.field("image_hashes", pa.list_(pa.string()), nullable=False),
        pa.field("turns", pa.list_(_TURN), nullable=False),
        pa.field("n_turns", pa.int32(), nullable=False),
        pa.field("n_images", pa.int32(), nullable=False),
        pa.field("digest", pa.string(), nullable=False),
    ]
)
"""Columns of ``samples`` and ``test``.

``row`` counts 0..n-1 within the table; ``source_file`` is the position in the registration's list and ``source_row``
the record's in that file; ``n_turns`` counts answers; ``digest`` is the hex SHA-256 of task, turns and image bytes.
"""

LOSS_WEIGHTS = pa.field(_LOSS_WEIGHTS, pa.list_(pa.float64()))
WEIGHTED_SCHEMA = SAMPLES_SCHEMA.append(LOSS_WEIGHTS)
"""Columns of ``samples`` and ``test`` if a row has an answer whose weight is not 1.

``loss_weights`` holds a weight for each answer, and null in rows where all are 1.
"""

QUARANTINE_SCHEMA = pa.schema(
    [
        pa.field("split", pa.string(), nullable=False),
        pa.field("source_file", pa.int32(), nullable=False),
        pa.field("source_row", pa.int64(), nullable=False),
        pa.field("source_id", pa.string()),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("raw", pa.string(), nullable=False),
    ]
)
"""Columns of ``quarantine``: one row per refused record; ``raw`` is its first 2,000 characters."""

LEDGER_SCHEMA = pa.schema(
    [
        pa.field("split", pa.string(), nullable=False),
        pa.field("rows_in", pa.int64(), nullable=False),
        pa.field("rows_out", pa.int64(), nullable=False),
        pa.field("quarantined", pa.int64(), nullable=False),
        pa.field("notices", pa.string(), nullable=False),
    ]
)
"""Columns of ``ledger``: one row per split; ``notices`` is JSON, what was accepted but is worth reporting, by count."""

TABLE_SCHEMAS = {
    "samples": SAMPLES_SCHEMA,
    "test": SAMPLES_SCHEMA,
    "quarantine": QUARANTINE_SCHEMA,
    "ledger": LEDGER_SCHEMA,
}


def sample_batch(rows: Sequence[dict[str, Any]]) -> pa.RecordBatch:
    """Rows of ``WEIGHTED_SCHEMA`` as a batch, their turns given as pairs of role and text.

    Turns are most of what a dataset holds; they become two flat columns, without an object for each.
    """
    turns = [row["turns"] for row in rows]
    ends = pa.array(accumulate(map(len, turns), initial=0), pa.int32())
    parts = [pa.array([turn[part] for of_row in turns for turn in of_row], pa.string()) for part in (0, 1)]
    nested = pa.ListArray.from_arrays(ends, pa.StructArray.from_arrays(parts, fields=list(_TURN)))
    others = (field for field in WEIGHTED_SCHEMA if field.name != "turns")
    columns = {field.name: pa.array([row[field.name] for row in rows], field.type) for field in others}
    columns["turns"] = nested
    return pa.RecordBatch.from_arrays([columns[name] for name in WEIGHTED_SCHEMA.names], schema=WEIGHTED_SCHEMA)
