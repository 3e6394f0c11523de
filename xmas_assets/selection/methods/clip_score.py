"""CLIP-Score: the rows whose text fits their image best."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from xmas_assets.selection.base import Cost
from xmas_assets.selection.ranking import RankedMethod, by_score, rows_with_image
from xmas_assets.selection.signal_arrays import OrderedSignals


class ClipScore(RankedMethod):
    """Keep the rows of largest cosine between the CLIP embeddings of image and text.

    Rows without image have no score; they are drawn at random, in their share of the dataset.
    """

    name: ClassVar[str] = "clip_score"
    paper: ClassVar[str] = "Hessel et al. 2021 (arXiv 2104.08718)"
    needs: ClassVar[frozenset[str]] = frozenset({"has_image", "clip_score"})
    cost: ClassVar[Cost] = "forward"

    def _ranking(self, signals: OrderedSignals) -> NDArray[np.int64]:
        rows = rows_with_image(signals)
        return rows[by_score(signals["clip_score"][rows])]
