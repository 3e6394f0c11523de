"""All signals of a dataset in one pass: each image decoded and seen once, each prefix once per checkpoint.

Work is cut into shards of rows that share images; in a shard, checkpoints are the inner loop. Each signal has a file
per shard of its own, so that any later pass, also one for fewer signals, finds what an earlier one has finished. Memory
is that of one shard and one model, plus 16 bytes per row; the results are files.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.errors import DatasetError, ModelError
from xmas_assets.contracts.libraries import READING, library_versions
from xmas_assets.contracts.progress import ProgressCallback
from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.core.arrays import IntArray
from xmas_assets.extraction.base import Signal
from xmas_assets.extraction.batching import image_groups
from xmas_assets.extraction.extracted import Extracted, note_left_out
from xmas_assets.extraction.passes import SignalReader
from xmas_assets.extraction.shard_arrays import bytes_to_come, save_array
from xmas_assets.files.space import require_space
from xmas_assets.files.usage_notes import count_usage_of
from xmas_assets.scale.engines import SERIAL, Advance, Engine, MadeShard, have_made
from xmas_assets.scale.row_tables import samples_digest
from xmas_assets.scale.shards import ItemCounter, Shard, shards_of_groups, writing_shard
from xmas_assets.scale.stretches import Growth, folders_of, open_pieces
from xmas_assets.vlm.devices import model_work
from xmas_assets.vlm.image_inputs import OpenImage
from xmas_assets.vlm.loading import load_vlm

# Raised when the same inputs would give other values, so that shards of an older version are not taken for ours.
_VERSION = 4
Files = dict[Shard, Path]


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
    workspaces: Mapping[str, Path],
    progress: ProgressCallback | None = None,
    engine: Engine = SERIAL,
    models_in_memory: int = 1,
    grown: tuple[int, ...] = (),
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
        workspaces: Directory for each signal's finished shards, by its name; shards made from other inputs are
            replaced. One run at a time may use them.
        progress: Told how many rows are done, and the time left.
        engine: Who reads the shards. The models are looked at here once, and all who read go by what was found.
        models_in_memory: As in ``WorkersSettings``.
        grown: How many rows there were each time before others were appended. What was read of them is looked for next
            to the workspaces, and read where it lies.

    Returns:
        Each signal's table under its name. Rows that are left out (too long, an image that the processor
        refuses) have no value; they are in the notices.

    Raises:
        StoreError: Before any row is read, if the signals would not fit on the disk.
        DatasetError: If there is no row that a signal can have a value for.
        ModelError: Without a checkpoint, with two of one step, or if one cannot be read or is not finite.
        ImageError: If ``open_image`` refuses a picture.
    """
    ordered = _in_order(checkpoints, signals)
    stretches = _stretches(samples, signals, settings.shard_size, Growth(grown))
    rows = np.concatenate([stretch.rows for stretch in stretches])
    inputs = (base_settings.digest(), settings.batch_size, settings.threads)
    files: dict[str, Files] = {}
    for signal in signals:
        digests = [(checkpoint.step, checkpoint.digest) for checkpoint in _read_at(signal, ordered)]
        growth = Growth(grown, workspaces[signal.name].parent)
        files[signal.name] = _open_files(signal, stretches, workspaces[signal.name], (inputs, digests), growth, engine)
    count_usage_of(folder for own in files.values() for folder in folders_of(own))
    counter = ItemCounter(len(rows), progress)
    loaders = [partial(load_vlm, checkpoint.path, base_settings, base=base) for checkpoint in ordered]

    with model_work(settings.threads):
        reader = SignalReader(
            signals,
            loaders,
            open_image,
            batch_size=settings.batch_size,
            max_tokens=base_settings.max_tokens,
            models_in_memory=models_in_memory,
        )
        if engine.is_elsewhere:
            reader.forget_models()
        n_bytes = sum(bytes_to_come(own, len(samples), reader.width(name)) for name, own in files.items())
        require_space(next(iter(workspaces.values())), n_bytes, f"{', '.join(files)} of {len(samples)} rows")
        work = _Reading(reader, samples, rows, files, settings.threads)
        shards = [shard for stretch in stretches for shard in stretch.shards()]
        lacking = [shard for shard in shards if work.lacks(shard)]
        counter.keep_all(shards, lacking)
        notices = have_made(work, lacking, engine=engine, counter=counter)

    def extracted(signal: Signal) -> Extracted:
        shard_arrays = [(rows[shard.start : shard.stop], path) for shard, path in files[signal.name].items()]
        marks = ((own, np.load(path, mmap_mode="r")[:, 0]) for own, path in shard_arrays)
        left_out = note_left_out(samples, marks, "signals", max_tokens=base_settings.max_tokens)
        steps = [checkpoint.step for checkpoint in _read_at(signal, ordered)]
        return Extracted(
            shard_arrays,
            reader.shapes[signal.name],
            samples,
            tuple(steps),
            tuple(dict.fromkeys((*reader.notices, *notices, *left_out))),
        )

    return {signal.name: extracted(signal) for signal in signals}


@dataclass(frozen=True)
class _Reading:
    """The shards of a pass, as work for an engine."""

    reader: SignalReader
    samples: Sequence[Sample]
    rows: IntArray
    files: Mapping[str, Files]
    threads: int

    def lacks(self, shard: Shard) -> list[str]:
        """The signals whose file of a shard is not there."""
        return [name for name, own in self.files.items() if shard in own and not own[shard].exists()]

    def ready(self) -> AbstractContextManager[None]:
        return model_work(self.threads)

    def make(self, shard: Shard, advance: Advance) -> MadeShard:
        chosen = [self.samples[row] for row in self.rows[shard.start : shard.stop]]
        read = self.reader.read(chosen, self.lacks(shard), advance)
        for name, values in read.items():
            with writing_shard(self.files[name][shard]) as unfinished:
                save_array(unfinished, values)
        return MadeShard(tuple(self.files[name][shard] for name in read), tuple(self.reader.notices))


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


def _read_at(signal: Signal, ordered: Sequence[Checkpoint]) -> Sequence[Checkpoint]:
    """The checkpoints that a signal is read at."""
    return ordered if signal.every_checkpoint else ordered[-1:]


@dataclass(frozen=True)
class _Stretch:
    """Rows that came together, as they are read: those on the same images together, text-only ones last.

    Attributes:
        rows: That are read.
        digest: Of all samples.
        pictured: Shards of rows with images, counted from the stretch's first; they do not depend on whether the others
            are read.
        others: Shards of text-only rows.
        start: Its first row's place among all that are read.
        index: Its first shard's.
    """

    rows: IntArray
    digest: str
    pictured: list[Shard]
    others: list[Shard]
    start: int
    index: int

    def shards(self) -> list[Shard]:
        """All shards, counted over all stretches."""
        own = self.pictured + self.others
        return [Shard(self.index + s.index, self.start + s.start, self.start + s.stop) for s in own]


def _stretches(samples: Sequence[Sample], signals: Sequence[Signal], shard_size: int, growth: Growth) -> list[_Stretch]:
    """How a dataset is read; ``DatasetError`` if a signal is of images, and there are none."""
    choosy = [signal.name for signal in signals if signal.needs_image]
    found: list[_Stretch] = []
    start = index = 0
    for own in growth.stretches(len(samples)):
        part = samples[own.start : own.stop]
        rows, pictured, others = _shards_of_images(part, shard_size, is_text_read=len(choosy) < len(signals))
        found.append(_Stretch(rows + own.start, samples_digest(part), pictured, others, start, index))
        start, index = start + len(rows), index + len(pictured) + len(others)
    if choosy and not any(stretch.pictured for stretch in found):
        raise DatasetError(
            f"none of the {len(samples)} samples has an image; {', '.join(choosy)} need some, add image rows"
        )
    return found


def _shards_of_images(
    samples: Sequence[Sample], shard_size: int, *, is_text_read: bool
) -> tuple[IntArray, list[Shard], list[Shard]]:
    """Rows to be read, those on the same images together, text-only ones last; and the shards of either kind."""
    groups = image_groups(samples)
    ordered = np.argsort(groups, kind="stable")
    text, pictured = np.split(ordered, [np.count_nonzero(groups == 0)])
    if not is_text_read:
        text = text[:0]
    _, sizes = np.unique(groups[pictured], return_counts=True)
    first = shards_of_groups(sizes.tolist(), shard_size)
    last = [
        Shard(len(first) + s.index, len(pictured) + s.start, len(pictured) + s.stop)
        for s in shards_of_groups([1] * len(text), shard_size)
    ]
    return np.concatenate([pictured, text]), first, last


def _open_files(
    signal: Signal,
    stretches: Sequence[_Stretch],
    workspace: Path,
    inputs: tuple[Any, Any],
    growth: Growth,
    engine: Engine,
) -> Files:
    """The files of a signal's shards; of those in the workspace only such as were made from the same inputs stay."""
    versions = (_VERSION, library_versions(READING), signal.name, signal.version)
    settings, digests = inputs
    pieces = []
    for number, stretch in enumerate(stretches):
        own = stretch.pictured if signal.needs_image else stretch.pictured + stretch.others
        key = repr((versions, repr(signal), (stretch.digest, *settings, digests)))
        pieces.append(growth.piece(number, workspace, own, key, start=stretch.start))
    paths = open_pieces(pieces, engine=engine, name=signal.name).values()
    # Under their numbers among all shards, of which a signal of images has those of pictured rows.
    shards = [stretch.shards()[: len(own.shards)] for stretch, own in zip(stretches, pieces, strict=True)]
    return dict(zip(chain.from_iterable(shards), paths, strict=True))
