"""D2-Pruning: important rows, thinned out where they lie close together."""

from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xmas_assets.core.arrays import IntArray
from xmas_assets.core.graph_pruning import (
    SCORE_FLOOR,
    directed_graph,
    greedy_order,
    mutual_graph,
    spread_scores,
    standby_order,
)
from xmas_assets.core.neighbours import nearest_neighbours
from xmas_assets.core.similarity import unit_rows
from xmas_assets.selection.base import Cost, Method
from xmas_assets.selection.reasons import Standing
from xmas_assets.selection.signal_arrays import Array, OrderedSignals


class D2Pruning(Method):
    """Take the row of highest score, lower its neighbours' scores, and so on.

    A row's first score is its AUM plus that of its nearest neighbours, faded by ``exp(-gamma_forward * d^2)``; a row
    taken costs its neighbours its score, faded by ``exp(-gamma_reverse * d^2)``. Distances are between unit rows: those
    of raw hidden states are so long that every message would fade to nothing. Neighbours are exact and mutual.

    ``reference`` is the published main path: raw features; a row hears and lowers its own neighbours only; rows are
    taken in the order of their first scores, some put on standby; scores below 1e-7 count as that. There the index is
    approximate (IVFPQ), here exact, and the last row, where the published code stops with an error, is taken.
    """

    name: ClassVar[str] = "d2_pruning"
    paper: ClassVar[str] = "D2-Pruning (arXiv 2310.07931)"
    needs: ClassVar[frozenset[str]] = frozenset({"pooled_features", "aum"})
    cost: ClassVar[Cost] = "proxy"
    nested: ClassVar[bool] = True
    score_name: ClassVar[str] = "score with that of its neighbours"

    n_neighbours: int = Field(default=5, ge=1, le=200, description="Neighbours of a row (published code: 5).")
    gamma_forward: float = Field(
        default=1.0, ge=0, le=1e9, description="Fading of scores passed on, per squared distance (published code: 1)."
    )
    gamma_reverse: float = Field(
        default=0.4, ge=0, le=1e9, description="Fading of what a row taken costs its neighbours (published code: 0.4)."
    )
    variant: Literal["default", "reference"] = Field(
        default="default", description="'default', or 'reference': graph and order as in the published main path."
    )

    def _prepare(self, signals: OrderedSignals) -> dict[str, Array]:
        features, scores = signals["pooled_features"], signals["aum"].astype(np.float64)
        if self.variant == "reference":
            neighbours, squares = nearest_neighbours(features, self.n_neighbours)
            graph = directed_graph(neighbours, squares.astype(np.float32))
            spread = spread_scores(graph, np.maximum(scores, SCORE_FLOOR), gamma=self.gamma_forward)
            return {"ranked_rows": standby_order(graph, spread, gamma=self.gamma_reverse), "scores": spread}
        graph = mutual_graph(*nearest_neighbours(unit_rows(features), self.n_neighbours))
        spread = spread_scores(graph, scores, gamma=self.gamma_forward)
        return {"ranked_rows": greedy_order(graph, spread, gamma=self.gamma_reverse), "scores": spread}

    def _choose(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        return signals["ranked_rows"][:count]

    def _standing(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> Standing:
        return Standing.of_all(signals["ranked_rows"], scores=signals["scores"])

    def _space(self, signals: OrderedSignals) -> Callable[[IntArray], Array]:
        return lambda rows: unit_rows(signals.take("pooled_features", rows))
