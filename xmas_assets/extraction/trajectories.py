"""Trajectories: the leading singular values of every sample's cross-modal attention, at every checkpoint.

Work is cut into shards of samples that share images. In a shard each image is decoded and passed through the frozen
vision tower once; checkpoints are the inner loop. Memory is that of one shard and one model, plus 16 bytes per row.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.errors import DatasetError, ModelError
from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.settings import BaseModelSettings, Section, TrajectorySettings
from xmas_assets.extraction.passes import SpectraReader
from xmas_assets.scale.shards import Progress, ProgressReport, Shard, run_shards, shards_of_groups, write_whole
from xmas_assets.vlm.loading import load_vlm, torch_threads
from xmas_assets.vlm.pictures import OpenImage

# Raised when the same inputs would give other values, so that shards of an older version are not taken for ours.
_VERSION = 1
_ROWS_PER_BATCH = 65536
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Trajectories:
    """The result, on disk.

    Attributes:
        path: Array file of shape (n_samples, n_checkpoints * n_values), float32; NaN in rows without a trajectory.
        samples: The dataset's, in row order.
        steps: Optimiser steps of the checkpoints, ascending.
        n_values: Singular values per checkpoint.
        notices: What a person should know about how they were made.
    """

    path: Path
    samples: Sequence[Sample]
    steps: tuple[int, ...]
    n_values: int
    notices: tuple[str, ...]

    @property
    def schema(self) -> pa.Schema:
        """Columns: ``row``, ``sample_id``, ``has_image`` and ``values`` (checkpoint by checkpoint, float32).

        ``has_image`` is False, and the values are 0, in rows without a trajectory.
        """
        width = len(self.steps) * self.n_values
        return pa.schema(
            [
                pa.field("row", pa.int64(), nullable=False),
                pa.field("sample_id", pa.string(), nullable=False),
                pa.field("has_image", pa.bool_(), nullable=False),
                pa.field("values", pa.list_(pa.float32(), width), nullable=False),
            ]
        )

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Give all rows in dataset order."""
        values = np.load(self.path, mmap_mode="r")
        for start in range(0, len(values), _ROWS_PER_BATCH):
            part = np.array(values[start : start + _ROWS_PER_BATCH])
            rows = range(start, start + len(part))
            has_image = ~np.isnan(part).any(1)
            part[~has_image] = 0
            ids = [self.samples[row].sample_id for row in rows]
            lists = pa.FixedSizeListArray.from_arrays(pa.array(part.ravel()), part.shape[1])
            yield pa.record_batch([pa.array(rows), pa.array(ids), pa.array(has_image), lists], schema=self.schema)


def extract_trajectories(
    *,
    samples: Sequence[Sample],
    open_image: OpenImage,
    checkpoints: Sequence[Checkpoint],
    base: Path | None,
    base_settings: BaseModelSettings,
    settings: TrajectorySettings,
    workspace: Path,
    progress: Callable[[ProgressReport], None] | None = None,
) -> Trajectories:
    """Read the trajectories of a dataset, or finish what a killed run began.

    Args:
        samples: The dataset in row order.
        open_image: Gives the picture of a reference and content hash.
        checkpoints: Two or more of one training run, in any order.
        base: The whole model under the checkpoints, if they are adapters.
        base_settings: Type of the weights, device and longest sample.
        settings: What is read, and how many rows at once.
        workspace: Directory for finished shards and the result; shards made from other inputs are replaced. One run
            at a time may use it.
        progress: Told how many rows with an image are done, and the time left.

    Returns:
        The trajectories. Rows without an image, and rows too long to be read, have none; the latter are in the notices.

    Raises:
        DatasetError: If no sample has an image.
        ModelError: Without two checkpoints of different steps, or if one cannot be read or is not finite.
    """
    ordered = _in_order(checkpoints)
    rows, group_sizes, samples_digest = _group_by_images(samples)
    loaders = [partial(load_vlm, checkpoint.path, base_settings, base=base) for checkpoint in ordered]
    reader = SpectraReader(loaders, open_image, settings, max_tokens=base_settings.max_tokens)
    shards = shards_of_groups(group_sizes, settings.shard_size)
    meter = Progress(len(rows), progress)
    key = _key(ordered, samples_digest, base_settings, settings)

    def compute_and_write(shard: Shard, path: Path) -> None:
        values = reader.read([samples[row] for row in rows[shard.start : shard.stop]], meter.advance)
        with path.open("wb") as file:
            np.save(file, values.reshape(len(values), -1))

    with torch_threads(settings.threads):
        paths = run_shards(workspace, shards, compute_and_write, key=key, progress=meter)
    parts = [(rows[shard.start : shard.stop], path) for shard, path in zip(shards, paths, strict=True)]
    result = workspace / "trajectories.npy"
    write_whole(result, lambda unfinished: _join(unfinished, parts, n_rows=len(samples)))
    notices = (*reader.notices, *_too_long(samples, parts, base_settings.max_tokens))
    return Trajectories(result, samples, tuple(c.step for c in ordered), settings.n_values, notices)


def _in_order(checkpoints: Sequence[Checkpoint]) -> list[Checkpoint]:
    """Checkpoints by step number."""
    ordered = sorted(checkpoints, key=lambda checkpoint: checkpoint.step)
    steps = [checkpoint.step for checkpoint in ordered]
    if len(ordered) < 2 or len(set(steps)) < len(steps):
        raise ModelError(f"trajectories need 2 or more checkpoints of different steps, got steps {steps}; train again")
    return ordered


def _group_by_images(samples: Sequence[Sample]) -> tuple[IntArray, list[int], str]:
    """Rows with images, those on the same images together; rows per group; and a digest of all samples."""
    digest = hashlib.sha256()
    groups = np.zeros(len(samples), dtype=np.uint64)
    for row, sample in enumerate(samples):
        digest.update(repr((sample.sample_id, sample.turns, sample.image_hashes)).encode())
        if sample.images:
            short = hashlib.blake2b("".join(sample.image_hashes).encode(), digest_size=8).digest()
            groups[row] = int.from_bytes(short, "little") | 1
    rows = np.argsort(groups, kind="stable")[np.count_nonzero(groups == 0) :]
    if not len(rows):
        raise DatasetError(f"none of the {len(samples)} samples has an image; trajectories need some, add image rows")
    _, sizes = np.unique(groups[rows], return_counts=True)
    return rows, sizes.tolist(), digest.hexdigest()


def _key(checkpoints: Sequence[Checkpoint], samples_digest: str, *sections: Section) -> str:
    """Everything that the values depend on."""
    models = [(checkpoint.step, checkpoint.digest) for checkpoint in checkpoints]
    versions = (_VERSION, version("torch"), version("transformers"))
    return repr((versions, models, samples_digest, [section.digest() for section in sections]))


def _join(path: Path, parts: Sequence[tuple[IntArray, Path]], *, n_rows: int) -> None:
    """Bring the shards' values into dataset order; rows without a trajectory are NaN."""
    width = np.load(parts[0][1], mmap_mode="r").shape[1]
    values = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n_rows, width))
    values[:] = np.nan
    for rows, part in parts:
        values[rows] = np.load(part)
    values.flush()


def _too_long(samples: Sequence[Sample], parts: Iterable[tuple[IntArray, Path]], max_tokens: int) -> tuple[str, ...]:
    """A notice of the samples that were too long to be read, if there are any."""
    long = np.concatenate([rows[np.isnan(np.load(part)[:, 0])] for rows, part in parts])
    if not len(long):
        return ()
    names = ", ".join(samples[row].sample_id[:80] for row in np.sort(long)[:3])
    return (
        f"{len(long)} samples have no trajectory: with {max_tokens} tokens (base_model.max_tokens) an image or all of "
        f"the answer would be cut off: {names}",
    )
