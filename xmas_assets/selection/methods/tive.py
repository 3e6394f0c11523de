"""TIVE: more rows of hard tasks, and in a task rather those whose gradients agree with it."""

from collections.abc import Callable
from functools import partial
from typing import ClassVar, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xmas_assets.core.allocation import allocate_by_weight, group_heads
from xmas_assets.core.arrays import FloatArray, IntArray
from xmas_assets.core.influence import mean_cosines
from xmas_assets.selection.base import Cost, Method
from xmas_assets.selection.reasons import Standing
from xmas_assets.selection.signal_arrays import Array, OrderedSignals
from xmas_assets.selection.strata import tasks_of

_EXCLUDED = "textcaps"  # task that the published code leaves out


class Tive(Method):
    """Draw from each task, in proportion to its mean gradient norm, rows with weights ``softmax(value)``.

    A row's value is its gradient's mean cosine with those of its task. What a task cannot hold goes to the others.
    ``reference`` departs from the default as the published code does: the task ``textcaps`` is left out (its rows only
    fill up), shares are rounded down, and a task smaller than its share is taken whole, several times over; where
    this leaves rows missing or repeated, the rows of largest value fill up. There ``sharpness`` is 0.001, which makes
    the weights practically equal (their ratio is at most 1.002), and the draw is not seeded.
    """

    name: ClassVar[str] = "tive"
    paper: ClassVar[str] = "TIVE (arXiv 2403.09559)"
    needs: ClassVar[frozenset[str]] = frozenset({"task", "gradients", "gradient_norm"})
    cost: ClassVar[Cost] = "gradient"
    nested: ClassVar[bool] = True
    score_name: ClassVar[str] = "mean cosine with the gradients of its task"

    sharpness: float = Field(
        default=1.0,
        ge=0,
        le=1e9,
        description="Factor on the values in the softmax; 0 draws uniformly, published code 0.001.",
    )
    variant: Literal["default", "reference"] = Field(
        default="default",
        description="'default', or 'reference': shares and draws as in the published code (then budgets do not nest).",
    )

    def _prepare(self, signals: OrderedSignals) -> dict[str, Array]:
        names, tasks = tasks_of(signals)
        values = mean_cosines(partial(signals.blocks, "gradients"), tasks)
        norms = np.bincount(tasks, weights=signals["gradient_norm"]) / np.bincount(tasks)
        return {"values": values, "tasks": tasks, "task_values": norms, "excluded": names == _EXCLUDED}

    def _choose(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> IntArray:
        values, tasks, task_values = signals["values"], signals["tasks"], signals["task_values"]
        if self.variant == "default":
            sizes = np.bincount(tasks)
            quotas = allocate_by_weight(sizes, np.log(np.maximum(task_values, np.finfo(np.float64).tiny)), count)
            return self._drawn(values, tasks, rng)[group_heads(sizes, quotas)]
        return self._order_as_published(signals, count, rng)[:count]

    def _drawn(self, values: FloatArray, tasks: IntArray, rng: np.random.Generator) -> IntArray:
        """All rows, task after task, as they are drawn."""
        # Sorting by log-weight plus Gumbel noise draws without replacement, one row after the other.
        keys = self.sharpness * values + rng.gumbel(size=len(values))
        return np.lexsort((-keys, tasks))

    def _order_as_published(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> IntArray:
        """All rows, those of the budget first."""
        values, tasks, task_values = signals["values"], signals["tasks"], signals["task_values"]
        shares = published_shares(task_values, signals["excluded"], count)
        seed = cast(int, cast(np.random.SeedSequence, rng.bit_generator.seed_seq).entropy)
        drawn = draw_as_published(values, tasks, shares, sharpness=self.sharpness, seed=seed)
        ranked = np.argsort(-values, kind="stable")
        rest = ranked[np.argsort(signals["excluded"][tasks[ranked]], kind="stable")]
        return np.concatenate([drawn, rest[~np.isin(rest, drawn)]])

    def _standing(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> Standing:
        values, tasks = signals["values"], signals["tasks"]
        is_default = self.variant == "default"
        order = self._drawn(values, tasks, rng) if is_default else self._order_as_published(signals, count, rng)
        return Standing(order, tasks, [name or "no task" for name in tasks_of(signals)[0]], values)

    def _space(self, signals: OrderedSignals) -> Callable[[IntArray], Array]:
        return lambda rows: signals.take("gradients", rows)


def published_shares(task_values: FloatArray, excluded: NDArray[np.bool_], budget: float) -> FloatArray:
    """Real-valued rows per task as the published code has them; 0 for an excluded one.

    Args:
        task_values: Mean gradient norm of each task, shape (n_tasks,).
        excluded: Shape (n_tasks,).
        budget: Rows to select; the published code takes share times rows, which need not be whole.
    """
    taking = np.where(excluded, 0, task_values)
    return budget * taking / max(taking.sum(), np.finfo(np.float64).tiny)


def draw_as_published(
    values: FloatArray, tasks: IntArray, shares: FloatArray, *, sharpness: float, seed: int
) -> IntArray:
    """Draw rows with numpy's legacy generator, tasks in the order of their first row; each drawn row once.

    Args:
        values: Value of each row, shape (n_rows,).
        tasks: Task of each row, shape (n_rows,).
        shares: Real-valued rows per task, shape (n_tasks,); tasks with 0 draw nothing.
        sharpness: Factor on the values in the softmax.
        seed: Of the generator, less than 2**32.
    """
    generator = np.random.RandomState(seed)  # noqa: NPY002 the published draw
    kept = [np.zeros(0, dtype=np.int64)]
    first_rows = np.unique(tasks, return_index=True)[1]
    for task in tasks[np.sort(first_rows)]:
        rows, share = np.flatnonzero(tasks == task), shares[task]
        if share <= 0:
            continue
        weights = np.exp(sharpness * values[rows])
        weights /= weights.sum()
        drawn = generator.choice(rows, int(share % len(rows)), replace=False, p=weights)
        kept.append(rows if share >= len(rows) else drawn)
    return np.concatenate(kept)
