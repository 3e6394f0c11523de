"""A benchmark's headlines of all models, with the resamples that every comparison of them shares."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

import numpy as np

from xmas_assets.core.arrays import FloatArray
from xmas_assets.core.resampling import draw_weights, headline_resamples, resampled_mean
from xmas_assets.evaluation.benchmarks.base import Unit

_BOOTSTRAP_SEED = 0


class Model(NamedTuple):
    """A trained target: selection method, budget as a decimal string (``full`` has 1.00), seed."""

    method: str
    budget: str
    seed: int


class Rule(Protocol):
    """How units make a headline; attributes and method are those of ``Benchmark``."""

    name: ClassVar[str]
    maximum: ClassVar[float]

    def stratum_score(self, means: FloatArray) -> FloatArray:
        """As ``Benchmark.stratum_score``."""
        ...


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Everything that was scored on one benchmark.

    Attributes:
        benchmark: Says how units make the headline.
        models: Units of each trained model, from ``Benchmark.units``; none for one that was not scored here. They are
            read one model after the other, so a mapping may make them when they are asked for.
        baselines: Units of each blind baseline, by name; likewise.
        images: Image of each item by its id, such as a hash; items of one image are resampled together. An item that
            is not in it has an image of its own.
        n_items: Items of the benchmark, with and without answers.
        name: What it is registered as; default the benchmark's own name.
    """

    benchmark: Rule
    models: Mapping[Model, Sequence[Unit]]
    baselines: Mapping[str, Sequence[Unit]]
    images: Mapping[str, str]
    n_items: int
    name: str = ""


class Headlines:
    """Resampled headlines of the models of one benchmark, over the units that all of them have.

    Models are compared on the same questions: what one of them has not answered counts for none. Images are drawn alike
    whatever other models and benchmarks there are, and seeds alike on every benchmark, for a seed is a trained model.

    Args:
        scored: The benchmark.
        n_resamples: Bootstrap resamples.

    Attributes:
        name: Of the benchmark.
        maximum: Its best headline.
        coverage: Share of the benchmark's items that take part. Where it is 0, there is none that all models and
            baselines answered, and no headline.
        n_images: Images among them.
    """

    def __init__(self, scored: Scored, *, n_resamples: int = 2000) -> None:
        self.name, self.maximum = scored.name or scored.benchmark.name, scored.benchmark.maximum
        self.n_resamples = n_resamples
        units = _CommonUnits()
        models = [model for model, given in scored.models.items() if units.add(given)]
        baselines = [name for name, given in scored.baselines.items() if models and units.add(given)]
        names, strata, values = units.common()
        images = [scored.images.get(items[0], f"item {items[0]}") for items in names]
        self.coverage = sum(map(len, names)) / scored.n_items
        self.n_images = len(set(images))
        self._of_model: dict[Model, FloatArray] = {}
        self._of_baseline: dict[str, FloatArray] = {}
        if not names:
            return
        found = headline_resamples(
            values,
            strata,
            clusters=images,
            stratum_score=scored.benchmark.stratum_score,
            maximum=scored.benchmark.maximum,
            n_resamples=n_resamples,
            rng=np.random.default_rng([_BOOTSTRAP_SEED, zlib.crc32(self.name.encode())]),
        )
        self._of_model = dict(zip(models, found, strict=False))
        self._of_baseline = dict(zip(baselines, found[len(models) :], strict=True))

    def selections(self) -> list[tuple[str, str]]:
        """Method and budget of every model, once, in their order."""
        return sorted({(model.method, model.budget) for model in self._of_model})

    def seeds(self, method: str, budget: str) -> tuple[int, ...]:
        """Seeds with which this selection was scored here."""
        return tuple(sorted(model.seed for model in self._of_model if model[:2] == (method, budget)))

    def of(self, method: str, budget: str, *, seeds: Sequence[int]) -> FloatArray:
        """Resampled headline of a selection, mean over these seeds; a quantity as in ``resampled_mean``."""
        models = np.stack([self._of_model[Model(method, budget, seed)] for seed in seeds])
        return resampled_mean(models, self._seed_weights(len(seeds)))

    def of_models(self) -> dict[Model, float]:
        """Headline of each model on the questions that count."""
        return {model: float(headlines[0]) for model, headlines in sorted(self._of_model.items())}

    def of_baselines(self) -> dict[str, FloatArray]:
        """Resampled headlines of the blind baselines, which are the same for every seed."""
        return {name: resampled_mean(row[None], self._seed_weights(1)) for name, row in self._of_baseline.items()}

    def _seed_weights(self, n_seeds: int) -> FloatArray:
        return draw_weights(n_seeds, self.n_resamples, np.random.default_rng(_BOOTSTRAP_SEED))


class _CommonUnits:
    """The units that all sides have, as one row of numbers per side."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, ...], int] = {}
        self._strata: list[str] = []
        self._rows: list[FloatArray] = []

    def add(self, units: Sequence[Unit]) -> bool:
        """Take the numbers of one more side; False if it has no unit, and so is none."""
        if not units:
            return False
        if not self._rows:
            self._places = {unit.item_ids: at for at, unit in enumerate(units)}
            self._strata = [unit.stratum for unit in units]
        known = [(self._places[unit.item_ids], unit.values) for unit in units if unit.item_ids in self._places]
        row = np.full((len(self._places), len(units[0].values)), np.nan)
        if known:
            row[[at for at, _ in known]] = [values for _, values in known]
        self._rows.append(row)
        return True

    def common(self) -> tuple[list[tuple[str, ...]], list[str], FloatArray]:
        """Items and strata of the units that all sides have, by items; and values, (n_sides, n_units, n_values)."""
        names = list(self._places)
        answered = [~np.isnan(row).any(axis=1) for row in self._rows]
        order = sorted(np.flatnonzero(np.all(answered, axis=0)).tolist(), key=names.__getitem__) if names else []
        values = np.array([self._rows.pop(0)[order] for _ in answered])  # each is let go when it is taken
        return [names[at] for at in order], [self._strata[at] for at in order], values
