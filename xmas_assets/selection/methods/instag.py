"""InsTag: the rows with many tags, such that all tags are covered again and again."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from xmas_assets.core.tag_cover import complexity_first_order
from xmas_assets.selection.base import Cost
from xmas_assets.selection.ranking import RankedMethod
from xmas_assets.selection.signal_arrays import OrderedSignals


class InsTag(RankedMethod):
    """Keep rows round by round: from most tags to fewest, those that bring a tag which the round lacks.

    Rows without tags, which the paper's algorithm never takes, come last. Tags come from a column or a language model.
    """

    name: ClassVar[str] = "instag"
    paper: ClassVar[str] = "InsTag (arXiv 2308.07074)"
    needs: ClassVar[frozenset[str]] = frozenset({"tags"})
    cost: ClassVar[Cost] = "external"

    def _ranking(self, signals: OrderedSignals) -> NDArray[np.int64]:
        return complexity_first_order([list(tags) for tags in signals["tags"]])
