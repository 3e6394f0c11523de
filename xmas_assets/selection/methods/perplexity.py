"""Perplexity: the rows that are neither too easy nor too odd."""

from typing import ClassVar

import numpy as np
from pydantic import Field

from xmas_assets.selection.base import Cost
from xmas_assets.selection.ranking import RankedMethod, Ranking, by_score
from xmas_assets.selection.signal_arrays import OrderedSignals


class Perplexity(RankedMethod):
    """Keep the band of perplexities around a percentile, as many rows below it as above it.

    The band is one of ranks: perplexities have a long upper tail, so that one of values would be lopsided. At the end
    of the range it grows to the other side only.
    """

    name: ClassVar[str] = "perplexity"
    paper: ClassVar[str] = "Marion et al. 2023 (arXiv 2309.04564)"
    needs: ClassVar[frozenset[str]] = frozenset({"perplexity"})
    cost: ClassVar[Cost] = "proxy"
    score_name: ClassVar[str] = "perplexity"

    percentile: float = Field(
        default=50.0, ge=0, le=100, description="Centre of the kept band, percent; 50 (the middle) as in the paper."
    )

    def _ranking(self, signals: OrderedSignals) -> Ranking:
        ascending = by_score(signals["perplexity"], keep="smallest")
        centre = self.percentile / 100 * (len(ascending) - 1)
        rows = ascending[by_score(np.abs(np.arange(len(ascending)) - centre), keep="smallest")]
        return Ranking(rows, signals["perplexity"][rows])
