"""Random rows: the baseline that every method must beat."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from xmas_assets.selection.base import Cost, Method
from xmas_assets.selection.reasons import Standing
from xmas_assets.selection.signal_arrays import OrderedSignals


class Random(Method):
    """Keep a uniform random sample of the rows: the first of a seeded permutation."""

    name: ClassVar[str] = "random"
    paper: ClassVar[str] = "baseline"
    needs: ClassVar[frozenset[str]] = frozenset()
    cost: ClassVar[Cost] = "none"
    nested: ClassVar[bool] = True

    def _choose(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        return rng.permutation(signals.n_samples)[:count]

    def _standing(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> Standing:
        return Standing.of_all(rng.permutation(signals.n_samples))
