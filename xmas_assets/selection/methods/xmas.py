"""XMAS: the most stable samples of every cluster of attention trajectories, in equal shares."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Literal, cast

import numpy as np
from pydantic import Field

from xmas_assets.core.allocation import allocate_in_size_order, group_heads
from xmas_assets.core.arrays import IntArray
from xmas_assets.core.trajectories import leading_sums
from xmas_assets.selection.base import Cost, Method
from xmas_assets.selection.reasons import Standing
from xmas_assets.selection.signal_arrays import Array, OrderedSignals
from xmas_assets.selection.strata import strata_of, stratum_names

_LARGEST_DROPPED = 2  # rows; the published code discards clusters up to this size


class Xmas(Method):
    """Keep from each trajectory cluster, smallest first, an equal share: its rows of smallest instability.

    Rows without image are a stratum of their own, from which a seeded random sample is drawn; the seed has no other
    effect. ``reference`` departs from the default as the published code (``cluster_data_selection.py``) does:
    clusters of at most two rows are passed over, and rows without image are drawn by Python's ``random.sample`` (there
    unseeded). Where the published code raises an error or returns too few rows, it fills up: a share beyond the
    text-only stratum flows on, and what the others cannot hold comes from the clusters passed over.
    """

    name: ClassVar[str] = "xmas"
    paper: ClassVar[str] = "XMAS (arXiv 2510.01454)"
    needs: ClassVar[frozenset[str]] = frozenset({"cluster_label", "instability"})
    cost: ClassVar[Cost] = "proxy"
    nested: ClassVar[bool] = True
    score_name: ClassVar[str] = "instability"

    variant: Literal["default", "reference"] = Field(
        default="default",
        description="'default', or 'reference': as the published code samples (then text rows do not nest).",
    )

    def _prepare(self, signals: OrderedSignals) -> dict[str, Array]:
        strata, sizes = strata_of(signals)
        # Rows without a cluster have no instability: equal values leave them in the order of their ids.
        instability = np.where(signals["cluster_label"] >= 0, signals["instability"], 0)
        return {"ranked_rows": np.lexsort((instability, strata)), "sizes": sizes}

    def _choose(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> IntArray:
        ranked, sizes = signals["ranked_rows"], signals["sizes"]
        served = self._serving_order(sizes)
        quotas = allocate_in_size_order(sizes, min(count, int(sizes[served].sum())), order=served)
        quotas += allocate_in_size_order(sizes - quotas, count - int(quotas.sum()))
        text_only = self._draw(ranked[len(ranked) - sizes[-1] :], int(quotas[-1]), rng)
        return np.concatenate([ranked[group_heads(sizes[:-1], quotas[:-1])], text_only])

    def _standing(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> Standing:
        ranked, sizes = signals["ranked_rows"], signals["sizes"]
        n_clustered = len(ranked) - sizes[-1]
        standing = Standing.of_heads(ranked, sizes, stratum_names(sizes), scores=signals["instability"])
        # The published draw is none that smaller and larger budgets share, so there is no order.
        drawn = rng.permutation(ranked[n_clustered:]) if self.variant == "default" else ranked[:0]
        return replace(standing, order=np.concatenate([ranked[:n_clustered], drawn]))

    def _space(self, signals: OrderedSignals) -> Callable[[IntArray], Array] | None:
        if "trajectories" not in signals:  # it reads the clusters made of them, not these
            return None
        return lambda rows: leading_sums(signals.take("trajectories", rows))

    def _serving_order(self, sizes: IntArray) -> IntArray:
        """Strata by ascending size, equal sizes by index."""
        order = np.argsort(sizes, kind="stable")
        return order if self.variant == "default" else order[sizes[order] > _LARGEST_DROPPED]

    def _draw(self, rows: IntArray, count: int, rng: np.random.Generator) -> IntArray:
        """Rows of the text-only stratum."""
        if self.variant == "default":
            return rng.permutation(rows)[:count]
        seed = cast(np.random.SeedSequence, rng.bit_generator.seed_seq).entropy
        return np.array(random.Random(cast(int, seed)).sample(rows.tolist(), count), dtype=np.int64)
