"""XMAS coverage: cover the space of where the text looks in the image, over the course of training."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.core.allocation import allocate_by_weight
from xmas_assets.core.coverage import coverage_order
from xmas_assets.selection.base import Cost, Method
from xmas_assets.selection.signals import Array, OrderedSignals


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
        default=20_000, ge=2, description="Rows among which farthest-first is exact; larger sets are cut into cells."
    )

    def _prepare(self, signals: OrderedSignals) -> dict[str, Array]:
        has_image = signals["has_image"].astype(bool)
        if not has_image.any():
            raise SelectionError(
                f"all {len(has_image)} rows are text-only, so there are no attention maps to cover; "
                "use random, or a dataset with images"
            )
        image_rows = np.flatnonzero(has_image)
        maps = signals["attention_maps"].reshape(len(has_image), -1)
        if len(image_rows) < len(maps):
            maps = maps[image_rows]
        return {
            "ranked_rows": image_rows[coverage_order(maps, cell_rows=self.cell_rows)],
            "text_rows": np.flatnonzero(~has_image),
        }

    def _choose(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        strata = signals["ranked_rows"], rng.permutation(signals["text_rows"])
        sizes = np.array([len(rows) for rows in strata])
        n_image, n_text = allocate_by_weight(sizes, np.log(np.maximum(sizes, 1)), count)
        return np.concatenate([strata[0][:n_image], strata[1][:n_text]])
