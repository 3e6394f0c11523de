"""ScalSelect: the rows that count most in the leading directions of the attended image features."""

from collections.abc import Callable
from functools import partial
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from xmas_assets.core.arrays import IntArray
from xmas_assets.core.leverage import leverage_scores
from xmas_assets.selection.base import Cost
from xmas_assets.selection.ranking import RankedMethod, Ranking, by_score, ranked_by, rows_with_image
from xmas_assets.selection.signal_arrays import Array, OrderedSignals


class ScalSelect(RankedMethod):
    """Keep the rows of largest leverage score: squared length in the directions that hold most of the features' energy.

    Rows without image have no features; they are drawn at random, in their share of the dataset. ``reference`` departs
    from the default as the published code (``cur.py``) does: rows without image come last, and of equal scores the
    later row comes first.
    """

    name: ClassVar[str] = "scalselect"
    paper: ClassVar[str] = "ScalSelect (arXiv 2602.11636)"
    needs: ClassVar[frozenset[str]] = frozenset({"has_image", "attended_features"})
    cost: ClassVar[Cost] = "proxy"
    score_name: ClassVar[str] = "leverage"

    energy_share: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="Share of the squared singular values that the leading directions hold; 0.9 as in the paper.",
    )
    variant: Literal["default", "reference"] = Field(
        default="default", description="'default', or 'reference': ties and text-only rows as in the published code."
    )

    def _ranking(self, signals: OrderedSignals) -> Ranking:
        rows = rows_with_image(signals)
        blocks = partial(signals.blocks, "attended_features", rows)
        scores = leverage_scores(blocks, energy_share=self.energy_share).scores
        if self.variant == "default":
            return ranked_by(scores, rows)
        order = by_score(scores, keep="smallest")[::-1]
        others = np.setdiff1d(np.arange(signals.n_samples), rows)
        return Ranking(
            np.concatenate([rows[order], others]), np.concatenate([scores[order], np.full(len(others), np.nan)])
        )

    def _space(self, signals: OrderedSignals) -> Callable[[IntArray], Array]:
        return lambda rows: signals.take("attended_features", rows)
