"""All rows: what the other methods are measured against."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.selection.base import Cost, Method
from xmas_assets.selection.signal_arrays import OrderedSignals


class Full(Method):
    """Keep everything; the budget must be all rows."""

    name: ClassVar[str] = "full"
    paper: ClassVar[str] = "baseline"
    needs: ClassVar[frozenset[str]] = frozenset()
    cost: ClassVar[Cost] = "none"
    nested: ClassVar[bool] = True

    def _choose(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        raise SelectionError(
            f"method 'full' keeps all {signals.n_samples} rows, but the budget is {count}; use a budget of 1.00"
        )
