"""IFD: the rows whose instruction helps the model least to give the answer."""

from typing import ClassVar

import numpy as np

from xmas_assets.selection.base import Cost
from xmas_assets.selection.ranking import RankedMethod, Ranking, by_score
from xmas_assets.selection.signal_arrays import OrderedSignals


class Ifd(RankedMethod):
    """Keep the rows of largest instruction-following difficulty below 1.

    At 1 and above the instruction does not help at all: the paper drops such rows as misaligned. Here they come last,
    the least of them first, so that a budget beyond the others is still met exactly.
    """

    name: ClassVar[str] = "ifd"
    paper: ClassVar[str] = "Cherry LLM (arXiv 2308.12032)"
    needs: ClassVar[frozenset[str]] = frozenset({"ifd"})
    cost: ClassVar[Cost] = "proxy"
    score_name: ClassVar[str] = "instruction-following difficulty"

    def _ranking(self, signals: OrderedSignals) -> Ranking:
        difficulty = signals["ifd"]
        rows = by_score(np.where(difficulty < 1, difficulty, -difficulty))
        return Ranking(rows, difficulty[rows])
