"""Orders of a graph's rows in which every row taken lowers the scores of its neighbours (D2-Pruning)."""

from heapq import heappop, heappush
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xmas_assets.core.arrays import FloatArray, IntArray

SCORE_FLOOR = 1e-7  # published code: a neighbour's score counts as at least this much


class Graph(NamedTuple):
    """Weighted edges, those of row i at positions ``starts[i]:starts[i + 1]``.

    Attributes:
        starts: Shape (n_rows + 1,), int64.
        neighbours: Other end of each edge, shape (n_edges,).
        distances: Length of each edge, shape (n_edges,), >= 0.
    """

    starts: IntArray
    neighbours: IntArray
    distances: NDArray[Any]


def directed_graph(neighbours: IntArray, distances: FloatArray) -> Graph:
    """Edges from every row to its neighbours.

    Args:
        neighbours: Shape (n_rows, n_neighbours).
        distances: Same shape.
    """
    n_rows, n_neighbours = neighbours.shape
    return Graph(np.arange(n_rows + 1) * n_neighbours, neighbours.ravel(), distances.ravel())


def mutual_graph(neighbours: IntArray, distances: FloatArray) -> Graph:
    """Edges both ways between rows of which at least one is the other's neighbour.

    Args:
        neighbours: Shape (n_rows, n_neighbours).
        distances: Same shape.
    """
    n_rows, n_neighbours = neighbours.shape
    rows = np.repeat(np.arange(n_rows), n_neighbours)
    ends = np.concatenate([rows, neighbours.ravel()]), np.concatenate([neighbours.ravel(), rows])
    edges, first = np.unique(ends[0] * n_rows + ends[1], return_index=True)
    starts = np.searchsorted(edges, np.arange(n_rows + 1) * n_rows)
    return Graph(starts, edges % n_rows, np.concatenate([distances.ravel()] * 2)[first])


def spread_scores(graph: Graph, scores: FloatArray, *, gamma: float) -> NDArray[np.float64]:
    """Each row's score plus ``exp(-gamma * distance)`` times that of every neighbour (at least ``SCORE_FLOOR``).

    Args:
        graph: Rows and edges.
        scores: Shape (n_rows,).
        gamma: How fast a message fades, per unit of distance, >= 0.

    Returns:
        Shape (n_rows,), float64: high where a row is important or lies among important rows.

    Source:
        D2-Pruning (arXiv 2310.07931), forward message passing.
    """
    rows = np.repeat(np.arange(len(scores)), np.diff(graph.starts))
    messages = np.exp(-gamma * graph.distances) * np.maximum(scores, SCORE_FLOOR)[graph.neighbours]
    return scores.astype(np.float64) + np.bincount(rows, weights=messages, minlength=len(scores))


def greedy_order(graph: Graph, scores: FloatArray, *, gamma: float) -> IntArray:
    """All rows, always the one of highest score next, after which its neighbours lose ``exp(-gamma * d)`` times it.

    A heap holds every score that a row ever had; those out of date are dropped when they come up. So a step costs
    the row's edges times log(n_rows), not n_rows.

    Args:
        graph: Rows and edges.
        scores: Shape (n_rows,), finite.
        gamma: How fast a message fades, per unit of distance, >= 0.

    Returns:
        Shape (n_rows,), int64. Equal scores: lower index first.

    Source:
        D2-Pruning (arXiv 2310.07931), reverse message passing; published code ``select_batch``.
    """
    state = _Scores(graph, scores, gamma=gamma, ranks=np.arange(len(scores)))
    for row in range(len(scores)):
        state.admit(row)
    while (best := state.best()) is not None:
        state.take(best)
    return np.array(state.order, dtype=np.int64)


def standby_order(graph: Graph, scores: FloatArray, *, gamma: float) -> IntArray:
    """All rows as the published main path takes them: in order of their first score, some put on standby.

    A row whose score has fallen below the present score of the next one waits; it is taken as soon as its score is at
    least that of the row that is up.

    Args:
        graph: Rows and edges; a row lowers the scores of its own neighbours only.
        scores: Shape (n_rows,), finite.
        gamma: How fast a message fades, per unit of distance, >= 0.

    Returns:
        Shape (n_rows,), int64. Equal scores: later index first in the queue, earlier arrival first on standby.

    Source:
        Published code ``d2_prune.py: iterative_selection``; it stops with an error at the last row of the queue.
    """
    queue = _falling(scores)
    ranks = np.empty(len(queue), dtype=np.int64)
    ranks[queue] = np.arange(len(queue))
    state = _Scores(graph, scores, gamma=gamma, ranks=ranks)
    following = [*queue[1:].tolist(), None]
    for row, next_row in zip(queue.tolist(), following, strict=True):
        while (waiting := state.best()) is not None and state.now[waiting] >= state.now[row]:
            state.take(waiting)
        if next_row is not None and state.now[row] < state.now[next_row]:
            state.admit(row)
        else:
            state.take(row)
    while (waiting := state.best()) is not None:
        state.take(waiting)
    return np.array(state.order, dtype=np.int64)


def _falling(scores: FloatArray) -> IntArray:
    return np.argsort(scores, kind="stable")[::-1]


class _Scores:
    """Scores that change as rows are taken, the best of the rows admitted, and the order of those taken."""

    def __init__(self, graph: Graph, scores: FloatArray, *, gamma: float, ranks: IntArray) -> None:
        self.now = scores.astype(np.float64)
        self.order: list[int] = []
        self._starts = graph.starts.tolist()
        self._neighbours = graph.neighbours
        self._fading = np.exp(-gamma * graph.distances)
        self._ranks = ranks.tolist()
        self._admitted = np.zeros(len(scores), dtype=bool)
        self._heap: list[tuple[float, int, int]] = []

    def admit(self, row: int) -> None:
        self._admitted[row] = True
        heappush(self._heap, (-float(self.now[row]), self._ranks[row], row))

    def best(self) -> int | None:
        """The admitted row of highest score; of equal ones that of lowest rank."""
        while self._heap:
            value, _, row = self._heap[0]
            if self._admitted[row] and self.now[row] == -value:
                return row
            heappop(self._heap)
        return None

    def take(self, row: int) -> None:
        self.order.append(row)
        self._admitted[row] = False
        edges = slice(self._starts[row], self._starts[row + 1])
        touched = self._neighbours[edges]
        self.now[touched] -= self.now[row] * self._fading[edges]
        for other in touched[self._admitted[touched]].tolist():
            self.admit(other)
