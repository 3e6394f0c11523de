"""Projected gradients of every sample's loss with respect to LoRA weights, at checkpoints of the warm-up training.

Work is cut into shards of samples that share images. In a shard each image is decoded and passed through the frozen
vision tower once; checkpoints are the inner loop. Memory is that of one shard, one model and one batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.libraries import READING, library_versions
from xmas_assets.contracts.progress import ProgressCallback
from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.contracts.signal_settings import GradientSettings
from xmas_assets.core.arrays import FloatArray, IntArray
from xmas_assets.extraction.batching import image_groups
from xmas_assets.extraction.extracted import note_left_out
from xmas_assets.extraction.gradient_passes import Direction, WarmupModels, read_gradients
from xmas_assets.extraction.image_feed import NOTICES
from xmas_assets.extraction.shard_arrays import ShardArray, bytes_to_come, in_dataset_order, save_array
from xmas_assets.files.space import require_space
from xmas_assets.scale.engines import SERIAL, Advance, Engine
from xmas_assets.scale.row_tables import samples_digest
from xmas_assets.scale.running import run_pieces
from xmas_assets.scale.shards import ItemCounter, Shard, shards_of_groups
from xmas_assets.scale.stretches import Growth, Piece, open_pieces
from xmas_assets.vlm.devices import model_work
from xmas_assets.vlm.image_inputs import OpenImage

# Raised when the same inputs would give other values, so that shards of an older version are not taken for ours.
_VERSION = 3


@dataclass(frozen=True)
class Gradients:
    """The result, on disk.

    Attributes:
        samples: The dataset's, in row order.
        n_checkpoints: Checkpoints read, by ascending step.
        n_projected: Dimensions of a projected gradient.
        shard_arrays: Rows in each shard's file, which holds for each of them the norm and the projected gradient at
            each checkpoint: shape (n_rows, n_checkpoints, 1 + n_projected), float32; for a sample that is left out,
            why (``MARKS``) and NaN.
        notices: What a person should know about how they were made.
    """

    samples: Sequence[Sample]
    n_checkpoints: int
    n_projected: int
    shard_arrays: Sequence[ShardArray]
    notices: tuple[str, ...]

    def blocks(self) -> Iterator[tuple[range, FloatArray, FloatArray]]:
        """Give rows in dataset order; norms, (n_rows, n_checkpoints); and projected gradients, (..., n_projected).

        Both are NaN in rows that are left out.
        """
        shape = (self.n_checkpoints, 1 + self.n_projected)
        for rows, values in in_dataset_order(self.shard_arrays, len(self.samples), shape):
            # Norms are often kept; as a view they would keep the whole block.
            yield rows, np.where(values[..., 0] < 0, np.float32("nan"), values[..., 0]), values[..., 1:]


def extract_gradients(
    *,
    samples: Sequence[Sample],
    open_image: OpenImage,
    checkpoints: Sequence[Checkpoint],
    base: Path,
    base_settings: BaseModelSettings,
    settings: GradientSettings,
    direction: Direction,
    workspace: Path,
    progress: ProgressCallback | None = None,
    engine: Engine = SERIAL,
    models_in_memory: int = 1,
    grown: tuple[int, ...] = (),
) -> Gradients:
    """Read the gradients of samples at checkpoints, or finish what a killed run began.

    Args:
        samples: In row order; text-only ones have gradients too.
        open_image: Gives the picture of a reference and content hash.
        checkpoints: One or more of the warm-up training, in any order.
        base: The whole model under the checkpoints.
        base_settings: Type of the weights, device and longest sample.
        settings: Projection, and how many rows at once.
        direction: What is projected: the gradient at the last checkpoint; at each; or, at each, the direction in which
            Adam would move the weights for it.
        workspace: Directory for finished shards; those made from other inputs are replaced. One run at a time may use
            it.
        progress: Told how many rows are done, and the time left.
        engine: Who reads the shards.
        models_in_memory: As in ``WorkersSettings``.
        grown: As of ``extract_signals``.

    Returns:
        The gradients. Rows that are left out (too long, an image that the processor refuses) have NaN; they are in the
        notices.

    Raises:
        StoreError: Before any work, if the gradients would not fit on the disk.
        ModelError: If a checkpoint cannot be read or holds no adapter, or a gradient is not finite.
        ImageError: If ``open_image`` refuses a picture.

    Source:
        LESS (arXiv 2402.04333), sections 3 and 4.1; TIVE (arXiv 2403.09559). Gradients are of the LoRA weights of all
        linear layers, as in LESS; TIVE's code reads those of self-attention only. Both codes round gradients to float16
        before they project them, which is not done here.
    """
    ordered = sorted(checkpoints, key=lambda checkpoint: checkpoint.step)
    ordered = ordered[-1:] if direction == "last_gradient" else ordered
    digests = [(checkpoint.step, checkpoint.digest) for checkpoint in ordered]
    rows, pieces = _pieces(samples, digests, base_settings, settings, direction, workspace, grown)
    files = open_pieces(pieces, engine=engine, name="gradients")
    n_bytes = bytes_to_come(files, len(rows), len(ordered) * (1 + settings.n_projected))
    require_space(workspace, n_bytes, f"the gradients of {len(rows)} rows")
    models = WarmupModels(ordered, base, base_settings, settings, direction, in_memory=models_in_memory)
    with model_work(settings.threads):
        # Found out once, so that whoever reads shards shares the same.
        notices = [NOTICES[models.kept]] if models.kept in NOTICES else []
        if engine.is_elsewhere:
            models.forget()
        run_pieces(
            pieces,
            _WriteGradients(samples, rows, open_image, models),
            counter=ItemCounter(len(rows), progress),
            engine=engine,
            ready=partial(model_work, settings.threads),
        )
    shard_arrays = [(rows[shard.start : shard.stop], path) for shard, path in files.items()]
    marks = ((own, np.load(path, mmap_mode="r")[:, 0, 0]) for own, path in shard_arrays)
    notices += note_left_out(samples, marks, "gradient", max_tokens=base_settings.max_tokens)
    return Gradients(samples, len(ordered), settings.n_projected, shard_arrays, tuple(notices))


def _pieces(
    samples: Sequence[Sample],
    digests: list[tuple[int, str]],
    base_settings: BaseModelSettings,
    settings: GradientSettings,
    direction: Direction,
    workspace: Path,
    grown: tuple[int, ...],
) -> tuple[IntArray, list[Piece]]:
    """Rows in the order that they are read in, and their shards, by the stretches in which they came."""
    versions = (_VERSION, library_versions(READING))
    growth = Growth(grown, workspace.parent)
    rows, pieces = [], []
    for number, own in enumerate(growth.stretches(len(samples))):
        part = samples[own.start : own.stop]
        groups = image_groups(part)
        rows.append(np.argsort(groups, kind="stable") + own.start)
        _, sizes = np.unique(groups, return_counts=True)
        shards = shards_of_groups(sizes.tolist(), settings.shard_size)
        key = repr((versions, digests, samples_digest(part), direction, base_settings.digest(), settings.digest()))
        pieces.append(growth.piece(number, workspace, shards, key, start=own.start))
    return np.concatenate(rows), pieces


@dataclass(frozen=True)
class _WriteGradients:
    """Writes the gradients of a shard's samples."""

    samples: Sequence[Sample]
    rows: IntArray
    open_image: OpenImage
    models: WarmupModels

    def __call__(self, shard: Shard, path: Path, advance: Advance) -> None:
        chosen = [self.samples[row] for row in self.rows[shard.start : shard.stop]]
        save_array(path, read_gradients(chosen, self.open_image, self.models, advance))
