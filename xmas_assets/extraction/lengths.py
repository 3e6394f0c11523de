"""How long the answers of each row are, in tokens of the base model."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
from PIL import Image

from xmas_assets.contracts.libraries import READING, library_versions
from xmas_assets.contracts.progress import ProgressCallback
from xmas_assets.contracts.samples import Sample
from xmas_assets.scale.row_tables import RowTable, make_row_table
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.loading import load_processor, model_digest
from xmas_assets.vlm.prompts import Encoder

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
    processor = load_processor(base)
    # Answers hold no images, so that no token is an image's.
    encoder = Encoder(processor, Pictures(processor, _no_picture), image_token_id=-1, max_tokens=1)

    def count(part: Sequence[Sample], advance):
        lengths = encoder.answer_lengths(part)
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


def _no_picture(reference: str, content_hash: str) -> Image.Image:
    raise AssertionError(f"{reference} ({content_hash}) is opened to count words")
