"""InstructionGPT-4: the best rows of every image cluster, by a quality that is learned from rated subsets."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np
from pydantic import Field

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.contracts.section import MOST
from xmas_assets.core.allocation import allocate_by_weight, group_heads
from xmas_assets.core.arrays import FloatArray, IntArray
from xmas_assets.core.clustering import kmeans
from xmas_assets.core.regression import ridge_predictions
from xmas_assets.selection.base import Cost, Method
from xmas_assets.selection.ranking import rows_with_image
from xmas_assets.selection.reasons import Standing
from xmas_assets.selection.signal_arrays import Array, OrderedSignals


class InstructionGpt4(Method):
    """Keep from each cluster of image embeddings, in proportion to its size, the rows of highest predicted quality.

    Quality is predicted from a row's indicators by ridge regression on rated subsets: their mean indicators, and the
    ratings that models trained on them got, which a person provides. The paper fits a small attention network there;
    it has far fewer rated subsets than such a network has weights. Rows without image are a stratum of their own, drawn
    at random.
    """

    name: ClassVar[str] = "instruction_gpt4"
    paper: ClassVar[str] = "InstructionGPT-4 (arXiv 2308.12067)"
    needs: ClassVar[frozenset[str]] = frozenset(
        {"has_image", "image_embedding", "quality_indicators", "rated_indicators", "ratings"}
    )
    cost: ClassVar[Cost] = "external"
    nested: ClassVar[bool] = True
    score_name: ClassVar[str] = "predicted quality"

    n_clusters: int = Field(
        default=10, ge=1, le=MOST, description="Clusters of image embeddings (k-means); 10 as in the paper."
    )
    ridge: float = Field(
        default=1.0, gt=0, le=1e9, description="Shrinkage of the regression, in units of one rated subset."
    )

    def _prepare(self, signals: OrderedSignals) -> dict[str, Array]:
        rows = rows_with_image(signals)
        quality = predict_quality(
            signals.take("quality_indicators", rows).astype(np.float64),
            signals["rated_indicators"].astype(np.float64),
            signals["ratings"].astype(np.float64),
            ridge=self.ridge,
        )
        clusters, _ = kmeans(signals.take("image_embedding", rows).astype(np.float32), self.n_clusters, seed=0)
        strata = np.full(signals.n_samples, clusters.max() + 1)
        strata[rows] = clusters
        scores = np.zeros(signals.n_samples)
        scores[rows] = quality
        return {
            "ranked_rows": np.lexsort((-scores, strata)),
            "sizes": np.bincount(strata, minlength=clusters.max() + 2),
            "scores": scores,
        }

    def _choose(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> IntArray:
        ranked, sizes = signals["ranked_rows"], signals["sizes"]
        quotas = allocate_by_weight(sizes, np.log(np.maximum(sizes, 1)), count)
        text_only = rng.permutation(ranked[len(ranked) - sizes[-1] :])[: quotas[-1]]
        return np.concatenate([ranked[group_heads(sizes[:-1], quotas[:-1])], text_only])

    def _standing(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> Standing:
        ranked, sizes = signals["ranked_rows"], signals["sizes"]
        n_clustered = len(ranked) - sizes[-1]
        names = [*(f"cluster {label}" for label in range(len(sizes) - 1)), "without image"]
        ordered = np.concatenate([ranked[:n_clustered], rng.permutation(ranked[n_clustered:])])
        scores = np.where(np.isin(np.arange(len(ranked)), ranked[:n_clustered]), signals["scores"], np.nan)
        return Standing.of_heads(ordered, sizes, names, scores=scores)

    def _space(self, signals: OrderedSignals) -> Callable[[IntArray], Array]:
        return lambda rows: signals.take("image_embedding", rows)


def predict_quality(indicators: FloatArray, rated: FloatArray, ratings: FloatArray, *, ridge: float) -> FloatArray:
    """Ratings expected of rows, shape (n_rows,), by ridge regression on rated subsets.

    Args:
        indicators: Of the rows, shape (n_rows, n_indicators).
        rated: Mean indicators of the rated subsets, shape (n_subsets, n_indicators).
        ratings: Of the subsets, shape (n_subsets,), larger is better.
        ridge: As in ``core.regression.ridge_predictions``.

    Raises:
        SelectionError: If fewer than two subsets are rated, or indicators and ratings do not fit together.
    """
    if len(ratings) < 2 or rated.shape != (len(ratings), indicators.shape[1]):
        raise SelectionError(
            f"{len(ratings)} ratings are given with indicators of shape {rated.shape}, the rows have "
            f"{indicators.shape[1]} indicators; give at least two rated subsets, with the rows' indicators"
        )
    return ridge_predictions(indicators, rated, ratings, ridge=ridge)
