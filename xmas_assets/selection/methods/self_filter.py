"""Self-Filter: the rows that a score net, trained together with the model, found hardest, thinned of look-alikes."""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import numpy as np
from pydantic import Field

from xmas_assets.contracts.section import MOST
from xmas_assets.core.arrays import IntArray
from xmas_assets.core.graph_pruning import directed_graph, greedy_order
from xmas_assets.core.neighbours import nearest_neighbours
from xmas_assets.core.similarity import unit_rows
from xmas_assets.selection.base import Cost
from xmas_assets.selection.ranking import RankedMethod, Ranking, rows_with_image
from xmas_assets.selection.signal_arrays import Array, OrderedSignals


class SelfFilter(RankedMethod):
    """Keep the hardest row, make those near it easier by ``penalty x cosine^2 x its difficulty``, and so on.

    Nearness is the cosine of CLIP embeddings, image and text side by side, each of unit length (a row without image
    has zeros there). What differs from the published code: difficulties are shifted to start at 0, because there the
    neighbours of a row of negative difficulty become harder instead of easier; and the neighbours are those among all
    rows, found once, not those among the rows still left, so that a step does not cost a pass over the dataset.
    """

    name: ClassVar[str] = "self_filter"
    paper: ClassVar[str] = "Self-Filter (arXiv 2402.12501)"
    needs: ClassVar[frozenset[str]] = frozenset({"has_image", "difficulty", "image_embedding", "text_embedding"})
    cost: ClassVar[Cost] = "proxy"
    score_name: ClassVar[str] = "difficulty"

    n_neighbours: int = Field(
        default=10, ge=1, le=MOST, description="Rows that a chosen one makes easier; published code 10."
    )
    penalty: float = Field(default=1.0, gt=0, le=1, description="Factor on the penalty (gamma); published code 1.")

    def _ranking(self, signals: OrderedSignals) -> Ranking:
        rows_with_image(signals)
        embeddings = _embeddings(signals, np.arange(signals.n_samples))
        neighbours, squares = nearest_neighbours(embeddings, self.n_neighbours)
        cosines = np.maximum(1 - squares / 2, 0)  # of unit vectors
        # The graph takes exp(-distance) of a row's score off its neighbours: here that is penalty x cosine^2.
        losses = np.maximum(self.penalty * np.square(cosines), np.finfo(np.float64).tiny)
        graph = directed_graph(neighbours, -np.log(losses))
        difficulty = signals["difficulty"].astype(np.float64)
        rows = greedy_order(graph, difficulty - difficulty.min(), gamma=1.0)
        return Ranking(rows, difficulty[rows])

    def _space(self, signals: OrderedSignals) -> Callable[[IntArray], Array]:
        return partial(_embeddings, signals)


def _embeddings(signals: OrderedSignals, rows: IntArray) -> Array:
    """CLIP embeddings of some rows, image and text side by side, each of unit length; an image that is not there: 0."""
    has_image = signals.take("has_image", rows) != 0
    images = np.zeros((len(rows), signals["image_embedding"].shape[1]), dtype=signals["image_embedding"].dtype)
    images[has_image] = unit_rows(signals.take("image_embedding", rows[has_image]))
    return unit_rows(np.hstack([images, unit_rows(signals.take("text_embedding", rows))]))
