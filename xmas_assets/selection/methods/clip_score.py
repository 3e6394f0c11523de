"""CLIP-Score: the rows whose text fits their image best."""

from typing import ClassVar

from xmas_assets.selection.base import Cost
from xmas_assets.selection.ranking import RankedMethod, Ranking, ranked_by, rows_with_image
from xmas_assets.selection.signal_arrays import OrderedSignals


class ClipScore(RankedMethod):
    """Keep the rows of largest cosine between the CLIP embeddings of image and text.

    Rows without image have no score; they are drawn at random, in their share of the dataset.
    """

    name: ClassVar[str] = "clip_score"
    paper: ClassVar[str] = "Hessel et al. 2021 (arXiv 2104.08718)"
    needs: ClassVar[frozenset[str]] = frozenset({"has_image", "clip_score"})
    cost: ClassVar[Cost] = "forward"
    score_name: ClassVar[str] = "cosine of image and text"

    def _ranking(self, signals: OrderedSignals) -> Ranking:
        rows = rows_with_image(signals)
        return ranked_by(signals["clip_score"][rows], rows)
