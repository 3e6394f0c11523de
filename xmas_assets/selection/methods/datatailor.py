"""DataTailor: the most informative, unique and representative rows of every task."""

from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xmas_assets.contracts.section import MOST
from xmas_assets.core.allocation import allocate_by_weight, allocate_in_size_order, group_heads
from xmas_assets.core.arrays import FloatArray, IntArray
from xmas_assets.core.relations import centroid_affinity, group_means, uniqueness
from xmas_assets.core.ward import ward_labels
from xmas_assets.selection.base import Cost, Method
from xmas_assets.selection.reasons import Standing
from xmas_assets.selection.signal_arrays import Array, OrderedSignals
from xmas_assets.selection.strata import tasks_of


class DataTailor(Method):
    """Keep from each task, in shares ``n_rows x mean(leading share)^2``, the rows of largest combined rank.

    A row of R turns is valued at ``(R I + U + P) / (R + 2)``: its ranks within the task by informativeness, by
    uniqueness in its Ward cluster, and by its cluster's representativeness times informativeness. Tasks are those of
    the ``task`` column, else one. ``reference`` departs from the default as the published code does: ranks count from
    0 in the order of the rows where values are equal, and are added in float32; a row alone in its cluster, whose
    uniqueness is 0 / 0, ranks as the most unique (default: its own informativeness, as if its cluster were even);
    shares are rounded down, so that some rows are missing, which here are filled up. Where the published code stops
    with an error (one cluster in a task, a share beyond a task's size) both variants go on.
    """

    name: ClassVar[str] = "datatailor"
    paper: ClassVar[str] = "DataTailor (arXiv 2412.06293)"
    needs: ClassVar[frozenset[str]] = frozenset(
        {"task", "n_turns", "informativeness", "leading_share", "last_token_features"}
    )
    cost: ClassVar[Cost] = "proxy"
    nested: ClassVar[bool] = True
    score_name: ClassVar[str] = "combined rank in its task"

    cut_share: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Height of the cut through a task's Ward tree, share of its highest merge; 0.1 as in the paper.",
    )
    exact_rows: int = Field(
        default=20_000,
        ge=8,
        le=MOST,
        description="Rows of a task that are clustered exactly (8 bytes x rows^2 of memory); larger ones by parts.",
    )
    variant: Literal["default", "reference"] = Field(
        default="default", description="'default', or 'reference': ranks and shares as in the published code."
    )

    def _prepare(self, signals: OrderedSignals) -> dict[str, Array]:
        names, tasks = tasks_of(signals)
        sizes = np.bincount(tasks, minlength=len(names))
        by_task = np.argsort(tasks, kind="stable")
        scores = np.empty(signals.n_samples)
        for rows in np.split(by_task, np.cumsum(sizes)[:-1]):
            scores[rows] = self._task_scores(signals, rows)
        leading_shares = np.bincount(tasks, weights=signals["leading_share"]) / sizes
        return {
            "ranked_rows": by_task[np.lexsort((-scores[by_task], tasks[by_task]))],
            "scores": scores,
            "sizes": sizes,
            "weights": sizes * leading_shares**2,
        }

    def _task_scores(self, signals: OrderedSignals, rows: IntArray) -> FloatArray:
        features = signals.take("last_token_features", rows)
        informativeness = signals["informativeness"][rows].astype(np.float64)
        clusters = ward_labels(features, cut_share=self.cut_share, exact_rows=self.exact_rows)
        unique = uniqueness(features, clusters, informativeness)
        representative = centroid_affinity(group_means(features, clusters))[clusters] * informativeness
        turns = signals["n_turns"][rows]
        if self.variant == "reference":
            return _published_scores(informativeness, unique, representative, turns)
        alone = np.bincount(clusters)[clusters] == 1
        unique = np.where(alone, informativeness, np.nan_to_num(unique, nan=0.0))
        ranks = [
            np.searchsorted(np.sort(values), values) / len(rows) for values in (informativeness, unique, representative)
        ]
        return (turns * ranks[0] + ranks[1] + ranks[2]) / (turns + 2)

    def _choose(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> IntArray:
        sizes, weights = signals["sizes"], signals["weights"]
        if self.variant == "default":
            quotas = allocate_by_weight(sizes, np.log(weights), count)
        else:
            quotas = np.minimum(published_shares(weights, count), sizes)
            quotas += allocate_in_size_order(sizes - quotas, count - int(quotas.sum()))
        return signals["ranked_rows"][group_heads(sizes, quotas)]

    def _standing(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> Standing:
        names = [name or "no task" for name in tasks_of(signals)[0]]
        return Standing.of_heads(signals["ranked_rows"], signals["sizes"], names, scores=signals["scores"])

    def _space(self, signals: OrderedSignals) -> Callable[[IntArray], Array]:
        return lambda rows: signals.take("last_token_features", rows)


def published_shares(weights: FloatArray, budget: float) -> IntArray:
    """Rows per task as the published code rounds them: down.

    Args:
        weights: Rows of each task times its squared mean leading share, shape (n_tasks,).
        budget: Rows to select; the published code takes ratio times rows, which need not be whole.
    """
    return (budget * weights / weights.sum()).astype(np.int64)


def _published_scores(
    informativeness: FloatArray, unique: FloatArray, representative: FloatArray, turns: IntArray
) -> NDArray[np.float32]:
    """Combined ranks in the order and precision of the published code; NaN ranks highest."""
    ranks = [
        (np.argsort(np.argsort(values, kind="stable"), kind="stable") / len(turns)).astype(np.float32)
        for values in (informativeness, unique, representative)
    ]
    n_turns = turns.astype(np.float32)
    return (n_turns * ranks[0] + ranks[1] + ranks[2]) / (n_turns + 2)
