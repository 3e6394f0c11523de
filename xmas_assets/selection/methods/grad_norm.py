"""GraNd: the rows with the largest gradients."""

from typing import ClassVar, Literal

from pydantic import Field

from xmas_assets.selection.base import Cost
from xmas_assets.selection.ranking import RankedMethod, Ranking, ranked_by
from xmas_assets.selection.signal_arrays import OrderedSignals


class GradNorm(RankedMethod):
    """Keep the rows whose loss has the largest gradient norm."""

    name: ClassVar[str] = "grad_norm"
    paper: ClassVar[str] = "Paul et al. 2021 (arXiv 2107.07075)"
    needs: ClassVar[frozenset[str]] = frozenset({"gradient_norm"})
    cost: ClassVar[Cost] = "gradient"
    score_name: ClassVar[str] = "gradient norm"

    keep: Literal["largest", "smallest"] = Field(
        default="largest", description="Which end is kept; 'largest' as in the paper."
    )

    def _ranking(self, signals: OrderedSignals) -> Ranking:
        return ranked_by(signals["gradient_norm"], keep=self.keep)
