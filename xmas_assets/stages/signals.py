"""Signals of a forward pass as an asset's tables: staged in a stream, and described."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xmas_assets.home.stored_tables import StoredTables, note_shapes, note_steps, read_sums, stage
from xmas_assets.report.describe_signals import describe_signal, describe_trajectories

if TYPE_CHECKING:
    from xmas_assets.extraction.base import Signal
    from xmas_assets.extraction.extracted import Extracted


def stage_signals(workspaces: Mapping[str, Path], extracted: Mapping[str, "Extracted"]) -> dict[str, StoredTables]:
    """Stage what a pass has read in a stream, each asset in its own workspace; steps and shapes go into the footers."""
    staged = {}
    for asset, signal in extracted.items():
        batches = ((asset, batch) for batch in signal.batches())
        notes = note_steps(signal.steps) | note_shapes(signal.shapes)
        staged[asset] = stage(workspaces[asset], batches, schemas={asset: signal.schema}, metadata=notes)
    return staged


def describe_staged(staged: StoredTables, raw_dataset: StoredTables, *, notices: Sequence[str]) -> dict[str, object]:
    """What a person sees of one signal of a pass."""
    if "attention_trajectories" in staged:
        return describe_trajectories(read_sums(staged), notices=notices)
    has_image = raw_dataset["samples"].column("n_images") > 0
    return describe_signal(next(iter(staged.values())), has_image=has_image, notices=notices)


def pass_shares(signals: Sequence["Signal"], n_checkpoints: int) -> dict[str, float]:
    """Which share of a pass each signal would have taken alone, taking only the checkpoints that it is read at.

    An estimate: what it costs to make the numbers of what the model shows is counted to all signals alike.
    """
    longest = n_checkpoints if any(signal.every_checkpoint for signal in signals) else 1
    return {signal.name: (n_checkpoints if signal.every_checkpoint else 1) / longest for signal in signals}
