"""What became of every record of a dataset, in numbers."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson
import pyarrow as pa

from xmas_assets.data.tables import LEDGER_SCHEMA

MAX_NOTICES = 100


@dataclass
class Ledger:
    """What became of every record, filled while the dataset is read.

    Attributes:
        rows_in: Records in the source, by split.
        rows_out: Rows of the table, by split.
        quarantined: Refused records, by split.
        reasons: Refused records, by reason code, all splits.
        notices: What was accepted but is worth reporting (``animated``, ``repeated_id``, ...), with how often.
    """

    rows_in: Counter[str] = field(default_factory=Counter)
    rows_out: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    notices: Counter[str] = field(default_factory=Counter)

    def note(self, notices: Iterable[str]) -> None:
        """Count the notices of an accepted row; new ones beyond ``MAX_NOTICES`` together, so that memory is bounded."""
        for notice in notices:
            is_new = notice not in self.notices and len(self.notices) >= MAX_NOTICES
            self.notices["further_notices" if is_new else notice] += 1

    def to_batch(self) -> pa.RecordBatch:
        """The ledger as a table, one row per split; every row holds the notices of all splits."""
        notices = orjson.dumps(self.notices, option=orjson.OPT_SORT_KEYS).decode()
        rows = [
            {
                "split": split,
                "rows_in": self.rows_in[split],
                "rows_out": self.rows_out[split],
                "quarantined": self.quarantined[split],
                "notices": notices,
            }
            for split in self.rows_in
        ]
        return pa.RecordBatch.from_pylist(rows, schema=LEDGER_SCHEMA)
