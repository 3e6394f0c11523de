"""Length: the rows with the longest answers."""

from typing import ClassVar

from xmas_assets.selection.base import Cost
from xmas_assets.selection.ranking import RankedMethod, Ranking, ranked_by
from xmas_assets.selection.signal_arrays import OrderedSignals


class Length(RankedMethod):
    """Keep the rows with the most answer tokens."""

    name: ClassVar[str] = "length"
    paper: ClassVar[str] = "Zhao et al. 2024 (arXiv 2402.04833)"
    needs: ClassVar[frozenset[str]] = frozenset({"answer_length"})
    cost: ClassVar[Cost] = "text"
    score_name: ClassVar[str] = "answer tokens"

    def _ranking(self, signals: OrderedSignals) -> Ranking:
        return ranked_by(signals["answer_length"])
