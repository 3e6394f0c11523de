"""ICONS: the rows that many target tasks would choose."""

import math
from typing import ClassVar

import numpy as np
from pydantic import Field

from xmas_assets.core.influence import descending_ranks
from xmas_assets.selection.base import Cost
from xmas_assets.selection.ranking import RankedMethod, Ranking
from xmas_assets.selection.signal_arrays import OrderedSignals
from xmas_assets.selection.validation import VALIDATION_SIGNALS, task_influence


class Icons(RankedMethod):
    """Keep the rows with the most votes; a target task votes for the rows that influence it most.

    Influence is that of ``less``, and so is the validation set that it needs. Votes are few, so most are equal; the
    paper does not say who then wins: here the rows of best mean rank over the tasks.
    """

    name: ClassVar[str] = "icons"
    paper: ClassVar[str] = "ICONS (arXiv 2501.00654)"
    needs: ClassVar[frozenset[str]] = VALIDATION_SIGNALS
    cost: ClassVar[Cost] = "gradient"
    score_name: ClassVar[str] = "votes of target tasks"

    vote_share: float = Field(
        default=0.2, gt=0, le=1, description="Share of the rows that each task votes for; 0.2 as in the paper."
    )

    def _ranking(self, signals: OrderedSignals) -> Ranking:
        ranks = descending_ranks(task_influence(signals))
        votes = (ranks < math.ceil(self.vote_share * len(ranks))).sum(axis=1)
        rows = np.lexsort((ranks.sum(axis=1), -votes))
        return Ranking(rows, votes[rows])
