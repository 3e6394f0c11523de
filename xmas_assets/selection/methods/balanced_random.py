"""Random rows inside the clusters of XMAS: the ablation that leaves its stability ranking out."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from xmas_assets.core.allocation import allocate_in_size_order, group_heads
from xmas_assets.core.arrays import IntArray
from xmas_assets.selection.base import Cost, Method
from xmas_assets.selection.reasons import Standing
from xmas_assets.selection.signal_arrays import Array, OrderedSignals
from xmas_assets.selection.strata import strata_of, stratum_names


class BalancedRandom(Method):
    """Keep from each trajectory cluster the share that XMAS gives it, but random rows; text-only rows likewise."""

    name: ClassVar[str] = "balanced_random"
    paper: ClassVar[str] = "ablation of XMAS (arXiv 2510.01454)"
    needs: ClassVar[frozenset[str]] = frozenset({"cluster_label"})
    cost: ClassVar[Cost] = "proxy"
    nested: ClassVar[bool] = True

    def _prepare(self, signals: OrderedSignals) -> dict[str, Array]:
        strata, sizes = strata_of(signals)
        return {"strata": strata, "sizes": sizes}

    def _choose(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        quotas = allocate_in_size_order(signals["sizes"], count)
        return _by_stratum(signals, rng)[group_heads(signals["sizes"], quotas)]

    def _standing(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> Standing:
        return Standing.of_heads(_by_stratum(signals, rng), signals["sizes"], stratum_names(signals["sizes"]))


def _by_stratum(signals: OrderedSignals, rng: np.random.Generator) -> IntArray:
    """All rows, stratum after stratum, each in a random order."""
    shuffled = rng.permutation(signals.n_samples)
    return shuffled[np.argsort(signals["strata"][shuffled], kind="stable")]
