"""LESS: the rows whose gradients would help one of the target tasks most."""

from typing import ClassVar

from xmas_assets.selection.base import Cost
from xmas_assets.selection.ranking import RankedMethod, Ranking, ranked_by
from xmas_assets.selection.signal_arrays import OrderedSignals
from xmas_assets.selection.validation import VALIDATION_SIGNALS, task_influence


class Less(RankedMethod):
    """Keep the rows of largest influence on the target task that they influence most.

    Influence is the sum over checkpoints of learning rate times cosine between the row's gradient, preconditioned as
    Adam would, and the validation rows' gradients. It needs a validation set for each target task.
    """

    name: ClassVar[str] = "less"
    paper: ClassVar[str] = "LESS (arXiv 2402.04333)"
    needs: ClassVar[frozenset[str]] = VALIDATION_SIGNALS
    cost: ClassVar[Cost] = "gradient"
    score_name: ClassVar[str] = "influence on the task influenced most"

    def _ranking(self, signals: OrderedSignals) -> Ranking:
        return ranked_by(task_influence(signals).max(axis=1))
