"""All signals of a dataset in one pass: each image decoded and seen once, each prefix once per checkpoint.

Work is cut into shards of rows that share images; in a shard, checkpoints are the inner loop. Memory is that of one
shard and one model, plus 16 bytes per row; the results are files.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.errors import DatasetError, ModelError
from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.extraction.batching import image_groups
from xmas_assets.extraction.extracted import Extracted, note_too_long
from xmas_assets.extraction.passes import SignalReader
from xmas_assets.extraction.row_tables import samples_digest
from xmas_assets.extraction.signals import Signal
from xmas_assets.scale.shards import Progress, ProgressReport, Shard, run_shards, shards_of_groups, write_whole
from xmas_assets.vlm.loading import load_vlm, torch_threads
from xmas_assets.vlm.pictures import OpenImage

# Raised when the same inputs would give other values, so that shards of an older version are not taken for ours.
_VERSION = 2
_IS_READ = "is_read"
IntArray = NDArray[np.int64]
Part = tuple[IntArray, Path]
Sizes = list[int]


class PassSettings(Protocol):
    """How a pass is cut up; ``TrajectorySettings`` is one."""

    @property
    def batch_size(self) -> int:
        """Rows per forward pass."""
        ...

    @property
    def shard_size(self) -> int:
        """Rows per committed shard."""
        ...

    @property
    def threads(self) -> int:
        """CPU threads."""
        ...


def extract_signals(
    *,
    signals: Sequence[Signal],
    samples: Sequence[Sample],
    open_image: OpenImage,
    checkpoints: Sequence[Checkpoint],
    base: Path | None,
    base_settings: BaseModelSettings,
    settings: PassSettings,
    workspace: Path,
    progress: Callable[[ProgressReport], None] | None = None,
) -> dict[str, Extracted]:
    """Read signals of a dataset in one pass, or finish what a killed run began.

    A signal's values do not depend, to the byte, on which others are read with it.

    Args:
        signals: One or more, each with a ``repr`` that shows its parameters (a dataclass).
        samples: The dataset in row order.
        open_image: Gives the picture of a reference and content hash; called from a thread of its own, one picture
            at a time.
        checkpoints: Of one training run, in any order; signals not read at every checkpoint are read at the last.
        base: The whole model under the checkpoints, if they are adapters.
        base_settings: Type of the weights, device and longest sample.
        settings: How many rows at once.
        workspace: Directory for finished shards and the results; shards made from other inputs, or for other signals,
            are replaced. One run at a time may use it.
        progress: Told how many rows are done, and the time left.

    Returns:
        Each signal's table under its name. Rows too long to be read have no value; they are in the notices.

    Raises:
        DatasetError: If there is no row that a signal can have a value for.
        ModelError: Without a checkpoint, with two of one step, or if one cannot be read or is not finite.
        ImageError: If ``open_image`` refuses a picture.
    """
    ordered = _in_order(checkpoints, signals)
    rows, group_sizes = _group_by_images(samples, signals)
    loaders = [partial(load_vlm, checkpoint.path, base_settings, base=base) for checkpoint in ordered]
    options = {"batch_size": settings.batch_size, "max_tokens": base_settings.max_tokens}
    meter = Progress(len(rows), progress)
    key = repr(
        (
            (_VERSION, version("torch"), version("transformers")),
            [(signal.name, signal.version, repr(signal)) for signal in signals],
            [(checkpoint.step, checkpoint.digest) for checkpoint in ordered],
            (samples_digest(samples), base_settings.digest(), settings.batch_size, settings.threads),
        )
    )
    shards = _shards(group_sizes, settings.shard_size)

    with torch_threads(settings.threads):
        reader = SignalReader(signals, loaders, open_image, **options)

        def compute_and_write(shard: Shard, path: Path) -> None:
            chosen = [samples[row] for row in rows[shard.start : shard.stop]]
            values, is_read = reader.read(chosen, meter.advance)
            save_file({_IS_READ: is_read} | {_name(*column): found for column, found in values.items()}, path)

        paths = run_shards(workspace, shards, compute_and_write, key=key, progress=meter)
    parts = [(rows[shard.start : shard.stop], path) for shard, path in zip(shards, paths, strict=True)]
    notices = (*reader.notices, *_too_long(samples, parts, base_settings.max_tokens))
    for column, shape in reader.shapes.items():
        join = partial(_join, parts=parts, name=_name(*column), shape=(len(samples), *shape))
        write_whole(workspace / _file(*column), join)
    return {
        signal.name: _extracted(signal, reader.shapes, workspace, samples, [c.step for c in ordered], notices)
        for signal in signals
    }


def _in_order(checkpoints: Sequence[Checkpoint], signals: Sequence[Signal]) -> list[Checkpoint]:
    """The checkpoints that are read, by step number."""
    ordered = sorted(checkpoints, key=lambda checkpoint: checkpoint.step)
    steps = [checkpoint.step for checkpoint in ordered]
    changing = [signal.name for signal in signals if signal.every_checkpoint]
    if changing and (len(ordered) < 2 or len(set(steps)) < len(steps)):
        raise ModelError(
            f"{', '.join(changing)} need 2 or more checkpoints of different steps, got steps {steps}; train again"
        )
    if not ordered:
        raise ModelError(f"{', '.join(signal.name for signal in signals)} need a checkpoint, got none; train first")
    return ordered if changing else ordered[-1:]


def _group_by_images(samples: Sequence[Sample], signals: Sequence[Signal]) -> tuple[IntArray, tuple[Sizes, Sizes]]:
    """Rows to be read, those on the same images together, text-only ones last; and sizes of groups.

    Sizes come apart for rows with images and without, so that which of them share a shard does not depend on whether
    the others are read.
    """
    groups = image_groups(samples)
    ordered = np.argsort(groups, kind="stable")
    text, pictured = np.split(ordered, [np.count_nonzero(groups == 0)])
    choosy = [signal.name for signal in signals if signal.needs_image]
    if choosy and not len(pictured):
        raise DatasetError(
            f"none of the {len(samples)} samples has an image; {', '.join(choosy)} need some, add image rows"
        )
    if len(choosy) == len(signals):
        text = text[:0]
    _, sizes = np.unique(groups[pictured], return_counts=True)
    return np.concatenate([pictured, text]), (sizes.tolist(), [1] * len(text))


def _shards(group_sizes: Iterable[Sizes], shard_size: int) -> list[Shard]:
    """Shards of one kind of rows after those of the other."""
    shards: list[Shard] = []
    for sizes in group_sizes:
        n_before = shards[-1].stop if shards else 0
        own = shards_of_groups(sizes, shard_size)
        shards += [Shard(len(shards) + s.index, n_before + s.start, n_before + s.stop) for s in own]
    return shards


def _extracted(
    signal: Signal,
    shapes: Mapping[tuple[str, str], tuple[int, ...]],
    workspace: Path,
    samples: Sequence[Sample],
    steps: Sequence[int],
    notices: tuple[str, ...],
) -> Extracted:
    own = {column: shape for (name, column), shape in shapes.items() if name == signal.name}
    paths = {column: workspace / _file(signal.name, column) for column in own}
    return Extracted(paths, own, samples, tuple(steps if signal.every_checkpoint else steps[-1:]), notices)


def _name(signal: str, column: str) -> str:
    return f"{signal}.{column}"


def _file(signal: str, column: str) -> str:
    return f"{_name(signal, column)}.npy"


def _join(path: Path, *, parts: Sequence[Part], name: str, shape: tuple[int, ...]) -> None:
    """Bring a column of the shards into dataset order; NaN in rows that are in none."""
    values = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    values[:] = np.nan
    for rows, part in parts:
        with safe_open(part, "np") as file:
            values[rows] = file.get_tensor(name)
    values.flush()


def _too_long(samples: Sequence[Sample], parts: Sequence[Part], max_tokens: int) -> tuple[str, ...]:
    """A notice of the samples that were too long to be read, if there are any."""
    long = []
    for rows, part in parts:
        with safe_open(part, "np") as file:
            long += rows[~file.get_tensor(_IS_READ)].tolist()
    return note_too_long(samples, long, "signals", max_tokens)
