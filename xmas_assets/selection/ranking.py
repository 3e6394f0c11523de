"""Methods that put the rows into one order, best first, and keep as many from its head as the budget buys."""

from abc import abstractmethod
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.core.arrays import IntArray
from xmas_assets.selection.base import Method
from xmas_assets.selection.reasons import Standing
from xmas_assets.selection.signal_arrays import Array, OrderedSignals


class Ranking(NamedTuple):
    """Rows in the order in which they are kept, and why.

    Attributes:
        rows: Positions, best first.
        scores: The number that each of them is judged by, in that order, shape (n_ranked,).
    """

    rows: IntArray
    scores: Array


class RankedMethod(Method):
    """A method whose choice is the head of one ranking, for any budget and seed; so budgets are nested.

    Rows that the ranking leaves out (those without image, where it is made from images) are a stratum of their own: of
    any budget they get the share that they have of the dataset, rounded down, by a seeded random draw.
    """

    nested: ClassVar[bool] = True

    @abstractmethod
    def _ranking(self, signals: OrderedSignals) -> IntArray | Ranking:
        """Positions of the ranked rows, best first; with the numbers that say why, if there are any."""

    def _prepare(self, signals: OrderedSignals) -> dict[str, Array]:
        ranking = self._ranking(signals)
        rows = ranking.rows if isinstance(ranking, Ranking) else ranking
        prepared = {"ranking": rows, "unranked": np.setdiff1d(np.arange(signals.n_samples), rows)}
        if isinstance(ranking, Ranking):
            scores = np.full(signals.n_samples, np.nan)
            scores[rows] = ranking.scores
            prepared["ranking_scores"] = scores
        return prepared

    def _choose(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> IntArray:
        ranking, unranked = signals["ranking"], signals["unranked"]
        n_unranked = count * len(unranked) // signals.n_samples
        return np.concatenate([ranking[: count - n_unranked], rng.permutation(unranked)[:n_unranked]])

    def _standing(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> Standing:
        ranking, unranked = signals["ranking"], signals["unranked"]
        scores = signals.get("ranking_scores")
        if len(unranked) == 0:
            return Standing.of_all(ranking, scores=scores)
        ordered = np.concatenate([ranking, rng.permutation(unranked)])
        sizes = np.array([len(ranking), len(unranked)])
        return Standing.of_heads(ordered, sizes, ("ranked", "not ranked: drawn at random"), scores=scores)


def by_score(scores: Array, *, keep: Literal["largest", "smallest"] = "largest") -> IntArray:
    """Positions in the order of their scores, shape (n_scores,); equal scores keep the order of the positions.

    Example:
        >>> by_score(np.array([1, 3, 2, 3])).tolist()
        [1, 3, 2, 0]
    """
    values = scores.astype(np.float64)
    return np.argsort(-values if keep == "largest" else values, kind="stable")


def ranked_by(
    scores: Array, rows: IntArray | None = None, *, keep: Literal["largest", "smallest"] = "largest"
) -> Ranking:
    """All rows by their scores; ``rows`` are those that the scores belong to, where these are not all."""
    order = by_score(scores, keep=keep)
    return Ranking(order if rows is None else rows[order], scores[order])


def rows_with_image(signals: OrderedSignals) -> IntArray:
    """Positions of the rows that have an image, ascending.

    Raises:
        SelectionError: If no row has one.
    """
    rows = np.flatnonzero(signals["has_image"])
    if len(rows) == 0:
        raise SelectionError(
            f"all {signals.n_samples} rows are text-only, so there is no image to judge by; "
            "use random, or a dataset with images"
        )
    return rows
