"""Columns of the tables that reading a dataset gives."""

import pyarrow as pa

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
        pa.field("turns", pa.list_(pa.struct([("role", pa.string()), ("text", pa.string())])), nullable=False),
        pa.field("n_turns", pa.int32(), nullable=False),
        pa.field("n_images", pa.int32(), nullable=False),
        pa.field("digest", pa.string(), nullable=False),
    ]
)
"""Columns of ``samples`` and ``test``.

``row`` counts 0..n-1 within the table; ``source_file`` is the position in the registration's list and ``source_row``
the record's in that file; ``n_turns`` counts answers; ``digest`` is the hex SHA-256 of task, turns and image bytes.
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
