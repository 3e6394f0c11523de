"""A benchmark's headlines of all models, with the resamples that every comparison of them shares."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from xmas_assets.contracts.errors import StoreError
from xmas_assets.core.arrays import FloatArray
from xmas_assets.core.resampling import draw_weights, headline_resamples, resampled_mean
from xmas_assets.evaluation.benchmarks.base import Benchmark, Unit

_BOOTSTRAP_SEED = 0


class Model(NamedTuple):
    """A trained target: selection method, budget as a decimal string (``full`` has 1.00), seed."""

    method: str
    budget: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Everything that was scored on one benchmark.

    Attributes:
        benchmark: Says how units make the headline.
        models: Units of each trained model, from ``Benchmark.units``.
        baselines: Units of each blind baseline, by name.
        images: Image of each item by its id, such as a hash; items of one image are resampled together. An item that
            is not in it has an image of its own.
        n_items: Items of the benchmark, with and without answers.
        name: What it is registered as; default the benchmark's own name.
    """

    benchmark: Benchmark
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
        coverage: Share of the benchmark's items that take part.
        n_images: Images among them.

    Raises:
        StoreError: If no model was scored, or no question is answered by all.
    """

    def __init__(self, scored: Scored, *, n_resamples: int = 2000) -> None:
        self.name, self.maximum = scored.name or scored.benchmark.name, scored.benchmark.maximum
        self.n_resamples = n_resamples
        sides = {**scored.models, **scored.baselines}
        if not scored.models:
            raise StoreError(
                f"no model was scored on {self.name}; run: xmas run DATASET --method METHOD --benchmark {self.name}"
            )
        by_items = {side: {unit.item_ids: unit for unit in units} for side, units in sides.items()}
        first, *others = by_items.values()
        common = sorted(items for items in first if all(items in other for other in others))
        if not common:
            raise StoreError(f"no question of {self.name} was answered by all {len(sides)} models and baselines")
        images = [scored.images.get(items[0], f"item {items[0]}") for items in common]
        self.coverage = sum(map(len, common)) / scored.n_items
        self.n_images = len(set(images))
        found = headline_resamples(
            [[units[items].values for items in common] for units in by_items.values()],
            [first[items].stratum for items in common],
            clusters=images,
            stratum_score=scored.benchmark.stratum_score,
            maximum=scored.benchmark.maximum,
            n_resamples=n_resamples,
            rng=np.random.default_rng([_BOOTSTRAP_SEED, zlib.crc32(self.name.encode())]),
        )
        self._of_model = dict(zip(scored.models, found, strict=False))
        self._of_baseline = dict(zip(scored.baselines, found[len(scored.models) :], strict=True))

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

    def of_baselines(self) -> dict[str, FloatArray]:
        """Resampled headlines of the blind baselines, which are the same for every seed."""
        return {name: resampled_mean(row[None], self._seed_weights(1)) for name, row in self._of_baseline.items()}

    def _seed_weights(self, n_seeds: int) -> FloatArray:
        return draw_weights(n_seeds, self.n_resamples, np.random.default_rng(_BOOTSTRAP_SEED))
