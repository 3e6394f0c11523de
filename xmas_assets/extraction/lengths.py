"""How long the answers of each row are, in tokens of the base model."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from xmas_assets.contracts.libraries import READING, library_versions
from xmas_assets.contracts.progress import ProgressCallback
from xmas_assets.contracts.samples import Sample
from xmas_assets.files.model_content import model_digest
from xmas_assets.scale.engines import SERIAL, Advance, Engine, Remade
from xmas_assets.scale.row_tables import RowTable, make_row_table
from xmas_assets.scale.stretches import NO_GROWTH, Growth
from xmas_assets.vlm.answer_lengths import answer_encoder
from xmas_assets.vlm.prompts import Encoder

_VERSION = 1  # raised when the same inputs would give other values
_SHARD_SIZE = 16384


def measure_lengths(
    samples: Sequence[Sample],
    *,
    base: Path,
    workspace: Path,
    progress: ProgressCallback | None = None,
    engine: Engine = SERIAL,
    growth: Growth = NO_GROWTH,
) -> RowTable:
    """Count answer tokens over all turns, each answer's end token included, before any cut; no picture is opened.

    Args:
        samples: The dataset in row order.
        base: Directory of the model whose tokenizer and chat template count.
        workspace: Directory for finished shards; one run at a time may use it.
        progress: Told how many rows are done.
        engine: Who counts.
        growth: How the dataset came to its rows.

    Returns:
        Column ``n_answer_tokens``, int64.

    Raises:
        ModelError: If the base has no fast tokenizer or no chat template.
    """
    encoder = Remade(partial(answer_encoder, base))
    encoder()  # a model that cannot count is refused at once
    return make_row_table(
        samples,
        [pa.field("n_answer_tokens", pa.int64(), nullable=False)],
        partial(_count, encoder),
        workspace=workspace,
        shard_size=_SHARD_SIZE,
        key=repr(("lengths", _VERSION, library_versions(READING), model_digest(base))),
        progress=progress,
        engine=engine,
        growth=growth,
        name="text_lengths",
    )


def _count(encoder: Remade[Encoder], part: Sequence[Sample], advance: Advance) -> dict[str, Any]:
    _, lengths = encoder().lengths(part)
    advance(len(part))
    return {"n_answer_tokens": lengths}
