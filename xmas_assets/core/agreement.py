"""Do rows whose attention develops alike also have alike gradients? Rank agreement of two distances over pairs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from xmas_assets.core.arrays import FloatArray, IntArray
from xmas_assets.core.similarity import unit_rows
from xmas_assets.core.trajectories import leading_sums

_PERCENTILES = (2.5, 97.5)
_MOST_LEVELS = 10_000  # of more distinct distances, neighbours in rank count as equal: a resample costs a third


@dataclass(frozen=True)
class Agreement:
    """How two distances agree over the pairs of some rows, with 95 % intervals.

    Attributes:
        attention: Name of the one distance.
        gradient: Name of the other.
        pairs: Which pairs: 'all', 'same_task' or 'different_tasks'.
        n_rows: Rows whose pairs these are.
        n_pairs: Pairs.
        spearman: Rank correlation, in [-1, 1]; 0 if the two have nothing to do with each other, NaN if one does not
            vary.
        spearman_interval: Its lower and upper end; NaN where it cannot be estimated.
        auc: Chance that a pair among those nearest in gradient is nearer in attention than a pair that is not; 0.5 if
            the two have nothing to do with each other. NaN if all pairs are equally near.
        auc_interval: Its lower and upper end, likewise.
    """

    attention: str
    gradient: str
    pairs: str
    n_rows: int
    n_pairs: int
    spearman: float
    spearman_interval: tuple[float, float]
    auc: float
    auc_interval: tuple[float, float]


def attention_distances(values: NDArray[Any], maps: NDArray[Any]) -> dict[str, FloatArray]:
    """Euclidean distances of all pairs of rows, by how much of a row's attention they look at.

    Args:
        values: Leading singular values, shape (n_rows, n_checkpoints, n_values), finite.
        maps: Attention maps, shape (n_rows, n_checkpoints, n_dimensions), finite.

    Returns:
        'scalar_trajectory' (the sums of the singular values, as XMAS compares them), 'all_values' and
        'attention_maps'; each (n_rows * (n_rows - 1) / 2,), in the order of ``scipy.spatial.distance.pdist``.
    """
    from scipy.spatial.distance import pdist

    looks = {"scalar_trajectory": leading_sums(values), "all_values": values, "attention_maps": maps}
    return {name: pdist(rows.reshape(len(rows), -1)) for name, rows in looks.items()}


def gradient_distances(gradients: NDArray[Any]) -> dict[str, FloatArray]:
    """Distances of all pairs of rows by their gradients.

    Args:
        gradients: Shape (n_rows, n_projected), finite.

    Returns:
        'direction' (1 - cosine, in [0, 2]; a zero gradient counts as 1/2 away from others) and 'difference' (L2), each
        as in ``attention_distances``.
    """
    from scipy.spatial.distance import pdist

    # Half the squared distance of unit rows is 1 - cosine, without the rounding of a difference from 1.
    return {"direction": pdist(unit_rows(gradients)) ** 2 / 2, "difference": pdist(gradients)}


def measure_agreement(
    attention: Mapping[str, FloatArray],
    gradient: Mapping[str, FloatArray],
    tasks: IntArray,
    *,
    rng: np.random.Generator,
    nearest_share: float = 0.01,
    n_resamples: int = 200,
) -> list[Agreement]:
    """Compare every attention distance with every gradient distance, over all pairs and within and across tasks.

    Args:
        attention: Distances of all pairs by name, each in the order of ``pdist``, finite.
        gradient: Likewise.
        tasks: Task of each row, shape (n_rows,).
        rng: Source of the resamples.
        nearest_share: Share of the pairs that count as nearest in gradient, in (0, 1); those that tie with the last of
            them count too.
        n_resamples: Bootstrap resamples, >= 1.

    Returns:
        One per population of pairs (one without pairs is left out), attention distance and gradient distance.

    Raises:
        ValueError: If a distance is not finite, or does not have a value for each pair.

    Source:
        The claim: XMAS (arXiv 2510.01454), similar attention trajectories have similar gradients. Percentile bootstrap
        over rows, not pairs, because pairs that share a row are not independent: a pair counts as often as both its
        rows were drawn, the product of the two numbers; a row drawn twice makes no pair with itself.
    """
    n_rows = len(tasks)
    first, second = np.triu_indices(n_rows, 1)
    for name, distances in {**attention, **gradient}.items():
        if distances.shape != first.shape or not np.isfinite(distances).all():
            raise ValueError(f"distance {name!r} must be finite and have a value for each of {len(first)} pairs")
    is_same = tasks[first] == tasks[second]
    draws = [_bincount(rng.integers(n_rows, size=n_rows), n_rows) for _ in range(n_resamples)]
    found = []
    for name, members in {"all": np.ones_like(is_same), "same_task": is_same, "different_tasks": ~is_same}.items():
        if members.any():
            rows = first[members], second[members]
            weightings = (draw[rows[0]] * draw[rows[1]] for draw in (np.ones(n_rows), *draws))
            ours, theirs = ({side: values[members] for side, values in both.items()} for both in (attention, gradient))
            counts = len(np.unique(rows)), len(rows[0])
            for (one, other), statistics in _compare(ours, theirs, weightings, nearest_share).items():
                found.append(_summarize(one, other, name, *counts, np.array(statistics)))
    return found


def _bincount(places: IntArray, n_places: int, weights: FloatArray | None = None) -> FloatArray:
    return np.bincount(places, weights, n_places).astype(np.float64)


class _Levels:
    """Distances as places among their distinct values, so that no weighting of the pairs needs another sort.

    scikit-learn's ``roc_auc_score`` sorts for each weighting: 41 ms against 0.23 ms for the pairs of 500 rows, for
    each resample and pair of distances. Tests compare both with it and with scipy's ``spearmanr``.
    """

    def __init__(self, distances: FloatArray) -> None:
        values, places = np.unique(distances, return_inverse=True)
        self.n_levels = min(len(values), _MOST_LEVELS)
        self.places = places * self.n_levels // len(values)

    def mass(self, weights: FloatArray) -> FloatArray:
        """Weight at every level, shape (n_levels,)."""
        return _bincount(self.places, self.n_levels, weights)

    def scores(self, weights: FloatArray, mass: FloatArray) -> FloatArray:
        """Weighted ranks, centred and scaled so that two distances' products add up to their correlation; or NaN."""
        if np.count_nonzero(mass) < 2:
            return np.full(len(weights), np.nan)
        ranks = _below(mass)[self.places]
        scores = (ranks - weights @ ranks / weights.sum()) * np.sqrt(weights)
        return scores / np.linalg.norm(scores)


def _below(mass: FloatArray) -> FloatArray:
    """The weight below each level, half of its own included."""
    return np.cumsum(mass) - mass / 2


def _auc(near: FloatArray, others: FloatArray) -> float:
    """Chance that one of the near pairs lies at a lower level than one of the others, ties counting half."""
    n_products = near.sum() * others.sum()
    return float(1 - near @ _below(others) / n_products) if n_products > 0 else np.nan


def _compare(
    attention: Mapping[str, FloatArray],
    gradient: Mapping[str, FloatArray],
    weightings: Iterable[FloatArray],
    nearest_share: float,
) -> dict[tuple[str, str], list[tuple[float, float]]]:
    """Rank correlation and AUC under every weighting of the pairs, by names of the two distances."""
    levels = {name: _Levels(distances) for name, distances in {**attention, **gradient}.items()}
    limits = {name: np.quantile(values, nearest_share, method="inverted_cdf") for name, values in gradient.items()}
    near = {name: np.flatnonzero(values <= limits[name]) for name, values in gradient.items()}
    found: dict[tuple[str, str], list[tuple[float, float]]] = {names: [] for names in product(attention, gradient)}
    with threadpool_limits(limits=1):  # sums of several threads come in a varying order
        for weights in weightings:
            masses = {name: level.mass(weights) for name, level in levels.items()}
            scores = {name: level.scores(weights, masses[name]) for name, level in levels.items()}
            for (one, other), statistics in found.items():
                rows = near[other]
                near_mass = _bincount(levels[one].places[rows], levels[one].n_levels, weights[rows])
                statistics.append((float(scores[one] @ scores[other]), _auc(near_mass, masses[one] - near_mass)))
    return found


def _summarize(
    attention: str, gradient: str, pairs: str, n_rows: int, n_pairs: int, statistics: FloatArray
) -> Agreement:
    """Estimates (the first line of ``statistics``) with their intervals (from the others, one per resample)."""
    (rho, auc), (low, high) = statistics[0], np.percentile(statistics[1:], _PERCENTILES, axis=0)
    ends = [(float(low[place]), float(high[place])) for place in (0, 1)]
    return Agreement(attention, gradient, pairs, n_rows, n_pairs, float(rho), ends[0], float(auc), ends[1])
