"""XMAS coverage: cover the space of where the text looks in the image, over the course of training."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xmas_assets.contracts.section import MOST
from xmas_assets.core.arrays import IntArray
from xmas_assets.core.coverage import coverage_order
from xmas_assets.selection.base import Cost, Method
from xmas_assets.selection.reasons import Standing
from xmas_assets.selection.signal_arrays import Array, OrderedSignals
from xmas_assets.selection.strata import heads_of_both, image_and_text_rows, standing_of_both


class XmasCoverage(Method):
    """Always the row whose attention maps, over all checkpoints, are farthest from those of all rows before it.

    Where the trajectory of XMAS keeps how strongly the text looks at the image, the maps keep where it looks.
    Rows without image are a stratum of their own: they get their share of the budget, drawn at random; the seed has
    no other effect. Beyond ``cell_rows`` rows the order is exact inside cells only (``core.coverage``).
    """

    name: ClassVar[str] = "xmas_coverage"
    paper: ClassVar[str] = "our own, after XMAS (arXiv 2510.01454)"
    needs: ClassVar[frozenset[str]] = frozenset({"has_image", "attention_maps"})
    cost: ClassVar[Cost] = "proxy"
    nested: ClassVar[bool] = True

    cell_rows: int = Field(
        default=20_000,
        ge=2,
        le=MOST,
        description="Rows among which farthest-first is exact; larger sets are cut into cells.",
    )

    def _prepare(self, signals: OrderedSignals) -> dict[str, Array]:
        image_rows, text_rows = image_and_text_rows(signals)
        maps = signals["attention_maps"].reshape(signals.n_samples, -1)
        order = coverage_order(maps if len(text_rows) == 0 else maps[image_rows], cell_rows=self.cell_rows)
        return {"ranked_rows": image_rows[order], "text_rows": text_rows}

    def _choose(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        return heads_of_both(signals["ranked_rows"], rng.permutation(signals["text_rows"]), count)

    def _standing(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> Standing:
        return standing_of_both(signals["ranked_rows"], rng.permutation(signals["text_rows"]))

    def _space(self, signals: OrderedSignals) -> Callable[[IntArray], Array]:
        return lambda rows: signals.take("attention_maps", rows)
