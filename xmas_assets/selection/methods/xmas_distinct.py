"""XMAS distinct: one row of each neighbourhood of attention maps, at random, before a second one of any."""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xmas_assets.contracts.section import MOST
from xmas_assets.core.arrays import IntArray
from xmas_assets.core.coverage import neighbourhoods
from xmas_assets.core.similarity import NEAR_SHARE, median_distance, unit_rows
from xmas_assets.selection.base import Cost, Method
from xmas_assets.selection.reasons import Standing
from xmas_assets.selection.signal_arrays import Array, OrderedSignals
from xmas_assets.selection.strata import heads_of_both, image_and_text_rows


class XmasDistinct(Method):
    """Leave out rows whose text looks at the image, all through training, where that of a row already kept looks.

    Each checkpoint's map is scaled to length 1, since where the text looks is what counts here, and rows within a
    radius of a middle row are one neighbourhood (``core.coverage``). The seed draws the neighbourhoods' order and the
    row of each; when every neighbourhood has one, the others follow at random. So where nothing repeats it is nearly
    random, and it seeks neither outliers nor hard rows. Rows without image get their share of the budget at random.

    Source:
        Our own, after XMAS (arXiv 2510.01454); docs/study: rows with nearly the same maps have nearly the same
        gradients, while farther apart the maps do not predict how far apart gradients are.
    """

    name: ClassVar[str] = "xmas_distinct"
    paper: ClassVar[str] = "our own, after XMAS (arXiv 2510.01454)"
    needs: ClassVar[frozenset[str]] = frozenset({"has_image", "attention_maps"})
    cost: ClassVar[Cost] = "proxy"
    nested: ClassVar[bool] = True

    near_share: float = Field(
        default=NEAR_SHARE, ge=0, le=1, description="Radius of a neighbourhood, share of the median distance of rows."
    )
    cell_rows: int = Field(
        default=20_000,
        ge=2,
        le=MOST,
        description="Rows among which neighbourhoods are sought; larger sets are cut into cells.",
    )

    def _prepare(self, signals: OrderedSignals) -> dict[str, Array]:
        image_rows, text_rows = image_and_text_rows(signals)
        vectors = self._vectors(signals, image_rows)
        once = np.ones(len(vectors), dtype=np.int64)
        radius = self.near_share * median_distance(vectors, once, seed=0) if len(vectors) > 1 else 0.0
        labels = neighbourhoods(vectors, radius, cell_rows=self.cell_rows)
        return {"image_rows": image_rows, "neighbourhoods": labels, "text_rows": text_rows}

    def _vectors(self, signals: OrderedSignals, rows: NDArray[np.int64]) -> Array:
        """What neighbourhoods are sought in, shape (n_rows, n_features)."""
        return unit_rows(signals["attention_maps"][rows]).reshape(len(rows), -1)

    def _choose(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        return heads_of_both(self._ranked(signals, rng), rng.permutation(signals["text_rows"]), count)

    def _ranked(self, signals: OrderedSignals, rng: np.random.Generator) -> IntArray:
        """The rows with images: the first of each neighbourhood, then the others."""
        order = rng.permutation(len(signals["image_rows"]))
        is_first = np.zeros(len(order), dtype=bool)
        is_first[np.unique(signals["neighbourhoods"][order], return_index=True)[1]] = True
        return signals["image_rows"][np.concatenate([order[is_first], order[~is_first]])]

    def _standing(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> Standing:
        ranked, text_rows = self._ranked(signals, rng), rng.permutation(signals["text_rows"])
        n_groups = int(signals["neighbourhoods"].max()) + 1
        groups = np.full(signals.n_samples, n_groups)
        groups[signals["image_rows"]] = signals["neighbourhoods"]
        names = [*(f"neighbourhood {label}" for label in range(n_groups)), "without image"]
        return Standing(np.concatenate([ranked, text_rows]), groups, names)

    def _space(self, signals: OrderedSignals) -> Callable[[IntArray], Array]:
        return partial(self._vectors, signals)
