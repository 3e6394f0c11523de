"""EL2N: the rows whose answers the model predicts worst."""

from typing import ClassVar, Literal

from pydantic import Field

from xmas_assets.selection.base import Cost
from xmas_assets.selection.ranking import RankedMethod, Ranking, ranked_by
from xmas_assets.selection.signal_arrays import OrderedSignals


class El2n(RankedMethod):
    """Keep the rows of largest mean error norm ``|softmax - one-hot|`` over their answer tokens."""

    name: ClassVar[str] = "el2n"
    paper: ClassVar[str] = "Paul et al. 2021 (arXiv 2107.07075)"
    needs: ClassVar[frozenset[str]] = frozenset({"el2n"})
    cost: ClassVar[Cost] = "proxy"
    score_name: ClassVar[str] = "mean error norm"

    keep: Literal["largest", "smallest"] = Field(
        default="largest", description="Which end is kept; 'largest' as in the paper."
    )

    def _ranking(self, signals: OrderedSignals) -> Ranking:
        return ranked_by(signals["el2n"], keep=self.keep)
