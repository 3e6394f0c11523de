"""A choice that knows what no method may know; added to the registry for the study only."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from xmas_assets.core.allocation import allocate_in_size_order, group_heads
from xmas_assets.selection.base import Cost, Method
from xmas_assets.selection.registry import METHODS
from xmas_assets.selection.signals import OrderedSignals
from xmas_assets.selection.strata import tasks_of


class OracleTasks(Method):
    """Random rows, the same number of every true skill as far as there are so many."""

    name: ClassVar[str] = "oracle_tasks"
    paper: ClassVar[str] = "oracle of the study"
    needs: ClassVar[frozenset[str]] = frozenset({"task"})
    cost: ClassVar[Cost] = "none"
    nested: ClassVar[bool] = True

    def _choose(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        names, tasks = tasks_of(signals)
        sizes = np.bincount(tasks, minlength=len(names))
        shuffled = rng.permutation(signals.n_samples)
        by_task = shuffled[np.argsort(tasks[shuffled], kind="stable")]
        return by_task[group_heads(sizes, allocate_in_size_order(sizes, count))]


METHODS[OracleTasks.name] = OracleTasks
