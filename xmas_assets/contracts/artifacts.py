"""Names of what the platform makes: selections, models, checkpoints. Parsing and printing only."""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.contracts.messages import shown
from xmas_assets.contracts.section import LARGEST_TRAINING_SEED

_SELECTION = re.compile(r"(?P<method>[a-z][a-z0-9]*(?:_[a-z0-9]+)*?)_b(?P<budget>\d*\.?\d+%?)_s(?P<seed>\d{1,10})")
_DATASET = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_MOST_DECIMALS = 18  # a key is part of file names
_BUDGET_HELP = "give a fraction in (0, 1], such as 0.2 or 20%"
_SELECTION_HELP = "write <method>_b<budget fraction>_s<seed>, for example xmas_b0.20_s0"


@dataclass(frozen=True, order=True)
class SelectionKey:
    """One subset of one dataset: which method, what share of the rows, which seed.

    Attributes:
        method: Name in ``xmas_assets.selection.registry.METHODS``.
        budget: Share of the rows, in (0, 1], as an exact decimal.
        seed: Non-negative; also the training seed of the target model.
    """

    method: str
    budget: Decimal
    seed: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a key such as ``xmas_b0.20_s0``.

        Raises:
            SettingsError: If the text is not a key, its budget is outside (0, 1], or it is not written the one
                canonical way (``xmas_b0.2_s0`` and ``xmas_b0.20_s0`` must not become two partitions).

        Example:
            >>> SelectionKey.parse("balanced_random_b0.05_s3").method
            'balanced_random'
        """
        key = cls.read(text)
        if str(key) != text:
            raise SettingsError(f"selection key {text[:100]!r} is not in its canonical form; write {key}")
        return key

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a key as a person types it, with its budget in any spelling: 0.2, .20 or 20%.

        Raises:
            SettingsError: If the text is not a key, or its budget is outside (0, 1].

        Example:
            >>> str(SelectionKey.read("xmas_b20%_s0"))
            'xmas_b0.20_s0'
        """
        match = _SELECTION.fullmatch(text)
        if match is None:
            raise SettingsError(f"selection key {text[:100]!r} is not understood; {_SELECTION_HELP}")
        return cls.make(match["method"], match["budget"], int(match["seed"]))

    @classmethod
    def make(cls, method: str, budget: str | float | Decimal, seed: int) -> Self:
        """Build a key from its parts; the budget is the decimal that a person reads (0.1 is 0.10, and so is 10%).

        Raises:
            SettingsError: If the budget is not a number in (0, 1], or the seed is negative.
        """
        try:
            text = str(budget)
            share = Decimal(text.removesuffix("%")) / 100 if text.endswith("%") else Decimal(text)
        except InvalidOperation:
            raise SettingsError(f"budget {shown(budget, 40)} is not a number; {_BUDGET_HELP}") from None
        if not (share.is_finite() and 0 < share <= 1):
            raise SettingsError(f"budget {str(budget)[:40]} is out of range; {_BUDGET_HELP}")
        if share != round(share, _MOST_DECIMALS):
            raise SettingsError(f"budget {str(budget)[:40]} has more than {_MOST_DECIMALS} decimals; {_BUDGET_HELP}")
        if not 0 <= seed <= LARGEST_TRAINING_SEED:
            raise SettingsError(f"seed {seed} is out of range; give 0 to {LARGEST_TRAINING_SEED}")
        return cls(method, share, seed)

    @property
    def budget_text(self) -> str:
        """The budget with two decimals, or as many more as it has."""
        digits = max(2, -int(self.budget.normalize().as_tuple().exponent))
        return f"{self.budget:.{digits}f}"

    def __str__(self) -> str:
        return f"{self.method}_b{self.budget_text}_s{self.seed}"


def parse_partition(partition: str) -> tuple[str, SelectionKey]:
    """Dataset and selection of a two-dimensional partition key such as ``shapes|xmas_b0.20_s0``.

    Raises:
        SettingsError: If the selection was typed in a form that is not understood.
    """
    dataset, _, selection = partition.partition("|")
    return dataset, SelectionKey.parse(selection)


def budget_count(share: Decimal, n_samples: int) -> int:
    """Rows that a share of the dataset buys: ``floor(share * n_samples)`` in exact decimal arithmetic, at least 1.

    Source:
        Floor as in the published XMAS code; 0.29 of 100 is 29 here, not the 28 of binary floats.

    Example:
        >>> budget_count(Decimal("0.29"), 100), budget_count(Decimal("0.001"), 100)
        (29, 1)
    """
    if n_samples <= 0:
        raise SettingsError("the dataset has 0 usable rows; nothing can be selected")
    return max(1, int(share * n_samples))


def share_of_rows(count: int, n_samples: int) -> Decimal:
    """The shortest share of a dataset that buys a number of its rows, rounded up.

    Raises:
        SettingsError: If the dataset has fewer rows.

    Example:
        >>> share_of_rows(500, 3000), budget_count(share_of_rows(500, 3000), 3000)
        (Decimal('0.1667'), 500)
    """
    if count > n_samples:
        raise SettingsError(f"a budget of {count:,} rows is more than the {n_samples:,} that the dataset has")
    shares = (_rounded_up(count, n_samples, digits) for digits in range(2, _MOST_DECIMALS + 1))
    return next(share for share in shares if budget_count(share, n_samples) == count)


def _rounded_up(count: int, n_samples: int, digits: int) -> Decimal:
    return Decimal(-(-count * 10**digits // n_samples)).scaleb(-digits)


def check_dataset_name(name: str) -> str:
    """Return the name if it can be a partition key, a folder and an MLflow tag on every system.

    Raises:
        SettingsError: For anything but 1 to 64 of ``a-z 0-9 _ . -`` starting with a letter or digit, and for names
            that Windows reserves.
    """
    reserved = name.split(".")[0] in {
        "con",
        "prn",
        "aux",
        "nul",
        *(f"{d}{i}" for d in ("com", "lpt") for i in range(10)),
    }
    if _DATASET.fullmatch(name) is None or reserved or ".." in name:
        raise SettingsError(
            f"dataset name {name[:80]!r} is not allowed; use 1 to 64 of a-z, 0-9, '_', '-' and '.', starting with a "
            "letter or digit, without '..', and not a name that Windows reserves"
        )
    return name


@dataclass(frozen=True)
class Checkpoint:
    """A saved model on the way through (or at the end of) a fine-tuning run.

    Attributes:
        step: Optimiser steps taken when it was saved; checkpoints are ordered by this number, never by name.
        path: Directory with safetensors weights (a whole model, or a LoRA adapter next to its base's digest).
        digest: Content hash (hex) of the directory's weights and configuration.
    """

    step: int
    path: Path
    digest: str


@dataclass(frozen=True)
class ScalarTrajectories:
    """The sum of each row's singular values, at every checkpoint.

    Attributes:
        sample_ids: Shape (n_samples,), text.
        sums: Shape (n_samples, n_checkpoints), float32; NaN in rows without a trajectory.
        steps: Optimiser steps of the checkpoints, ascending.
    """

    sample_ids: NDArray[Any]
    sums: NDArray[np.float32]
    steps: tuple[int, ...]


@dataclass(frozen=True)
class TrainingRecord:
    """What a finished run was and cost.

    Attributes:
        run: Digest of all that decides the weights: base, rows, settings, seed.
        checkpoints: Step and content digest of each checkpoint, by step.
        n_steps: Optimiser steps.
        n_samples: Samples trained on, counting each once.
        n_samples_seen: Samples trained on, counting each pass.
        n_cut: Samples whose end was cut at ``max_tokens``.
        left_out: Why a sample was not trained on, by ``sample_id``.
        losses: Loss per answer token of each optimiser step, nats.
        cpu_seconds: Processor time.
        wall_seconds: Time on the clock; None in records of before it was kept.
        peak_memory_bytes: Most memory held at once on the device that trained; None as above.
        micro_batch_size: Rows per forward pass, given or found; None as above.
        n_features_read: Images, counting each pass, that did not run through the vision tower, since what it makes of
            them was kept.
    """

    run: str
    checkpoints: tuple[tuple[int, str], ...]
    n_steps: int
    n_samples: int
    n_samples_seen: int
    n_cut: int
    left_out: dict[str, str]
    losses: tuple[float, ...]
    cpu_seconds: float
    wall_seconds: float | None = None
    peak_memory_bytes: int | None = None
    micro_batch_size: int | None = None
    n_features_read: int = 0

    @property
    def mean_loss(self) -> float:
        """Mean over the steps, nats."""
        return sum(self.losses) / len(self.losses)
