"""Warm-up: a short LoRA training on a few random rows, at whose checkpoints the gradients of all rows are read."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.progress import ProgressCallback
from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.settings import BaseModelSettings, WarmupSettings
from xmas_assets.contracts.workers import Ranks
from xmas_assets.selection.methods.random import Random
from xmas_assets.training.adapters import trained_weights
from xmas_assets.training.trainer import ONE_PROCESS, fine_tune
from xmas_assets.vlm.adapters import read_adam_state, save_adam_state
from xmas_assets.vlm.image_inputs import OpenImage


def warmup_rows(sample_ids: NDArray[Any], settings: WarmupSettings) -> NDArray[np.int64]:
    """Draw the rows to warm up on: a seeded random share, at least one, whatever the order of the rows.

    Args:
        sample_ids: Of the dataset, shape (n_samples,), text.
        settings: Share and seed.

    Returns:
        Rows, ascending and unique.
    """
    return Random().select({"sample_ids": sample_ids}, Decimal(str(settings.share)), settings.seed)


def warm_up(
    *,
    base: Path,
    base_settings: BaseModelSettings,
    samples: Sequence[Sample],
    open_image: OpenImage,
    settings: WarmupSettings,
    output: Path,
    progress: ProgressCallback | None = None,
    feature_folder: Path | None = None,
    ranks: Ranks = ONE_PROCESS,
    kept: Path | None = None,
) -> list[Checkpoint]:
    """Train adapters on samples and return the checkpoints by step, each with Adam's state beside its weights.

    It resumes and repeats as ``fine_tune`` does, which it is but for what its checkpoints hold.

    Args:
        base: Directory of the model to start from.
        base_settings: Type of the weights, device, longest sample.
        samples: What to learn, as ``warmup_rows`` drew it.
        open_image: Gives the picture of a reference and content hash.
        settings: How to train.
        output: Directory of this run alone.
        progress: Called after each optimiser step.
        feature_folder: As for ``fine_tune``.
        ranks: As for ``fine_tune``.
        kept: As for ``fine_tune``.

    Raises:
        ModelError: As ``fine_tune``.
        SettingsError: As ``fine_tune``.
    """
    return fine_tune(
        base=base,
        base_settings=base_settings,
        samples=samples,
        open_image=open_image,
        settings=settings,
        seed=settings.seed,
        output=output,
        progress=progress,
        feature_folder=feature_folder,
        ranks=ranks,
        kept=kept,
        save_beside=_save_adam,
    )


def learning_rates(checkpoints: Sequence[Checkpoint]) -> list[float]:
    """Mean learning rate of the steps that led to each checkpoint of a warm-up.

    Raises:
        ModelError: If one is no checkpoint of a warm-up.
    """
    return [read_adam_state(checkpoint.path, "cpu").learning_rate for checkpoint in checkpoints]


def _save_adam(directory: Path, trainer: Any, steps: range) -> None:
    """Write Adam's state, with the mean learning rate of the given steps as the schedule has it."""
    schedule = trainer.lr_scheduler
    rates = [schedule.base_lrs[0] * schedule.lr_lambdas[0](step) for step in steps]
    save_adam_state(directory, trained_weights(trainer.model), trainer.optimizer, learning_rate=sum(rates) / len(rates))
