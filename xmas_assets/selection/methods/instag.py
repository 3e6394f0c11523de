"""InsTag: the rows with many tags, such that all tags are covered again and again."""

from typing import ClassVar

import numpy as np

from xmas_assets.core.tag_cover import complexity_first_order
from xmas_assets.selection.base import Cost
from xmas_assets.selection.ranking import RankedMethod, Ranking
from xmas_assets.selection.signal_arrays import OrderedSignals


class InsTag(RankedMethod):
    """Keep rows round by round: from most tags to fewest, those that bring a tag which the round lacks.

    Rows without tags, which the paper's algorithm never takes, come last. Tags come from a column or a language model.
    """

    name: ClassVar[str] = "instag"
    paper: ClassVar[str] = "InsTag (arXiv 2308.07074)"
    needs: ClassVar[frozenset[str]] = frozenset({"tags"})
    cost: ClassVar[Cost] = "external"
    score_name: ClassVar[str] = "tags"

    def _ranking(self, signals: OrderedSignals) -> Ranking:
        tags = [frozenset(tags) for tags in signals["tags"]]
        rows = complexity_first_order(tags)
        return Ranking(rows, np.array([len(row) for row in tags])[rows])
