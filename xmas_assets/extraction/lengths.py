"""How long the answers of each row are, in tokens of the base model."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from xmas_assets.contracts.libraries import READING, library_versions
from xmas_assets.contracts.progress import ProgressCallback
from xmas_assets.contracts.samples import Sample
from xmas_assets.files.model_content import model_digest
from xmas_assets.scale.row_tables import RowTable, make_row_table
from xmas_assets.vlm.answer_lengths import answer_encoder

_VERSION = 1  # raised when the same inputs would give other values
_SHARD_SIZE = 16384


def measure_lengths(
    samples: Sequence[Sample], *, base: Path, workspace: Path, progress: ProgressCallback | None = None
) -> RowTable:
    """Count answer tokens over all turns, each answer's end token included, before any cut; no picture is opened.

    Args:
        samples: The dataset in row order.
        base: Directory of the model whose tokenizer and chat template count.
        workspace: Directory for finished shards; one run at a time may use it.
        progress: Told how many rows are done.

    Returns:
        Column ``n_answer_tokens``, int64.

    Raises:
        ModelError: If the base has no fast tokenizer or no chat template.
    """
    encoder = answer_encoder(base)

    def count(part: Sequence[Sample], advance):
        _, lengths = encoder.lengths(part)
        advance(len(part))
        return {"n_answer_tokens": lengths}

    return make_row_table(
        samples,
        [pa.field("n_answer_tokens", pa.int64(), nullable=False)],
        count,
        workspace=workspace,
        shard_size=_SHARD_SIZE,
        key=repr(("lengths", _VERSION, library_versions(READING), model_digest(base))),
        progress=progress,
    )
