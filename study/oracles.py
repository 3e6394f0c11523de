"""Choices for comparison only, added to the registry for the study: an oracle, controls, and XMAS turned round."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from xmas_assets.core.allocation import allocate_in_size_order, group_heads
from xmas_assets.core.coverage import coverage_order
from xmas_assets.selection.base import Cost, Method
from xmas_assets.selection.methods.xmas import Xmas
from xmas_assets.selection.methods.xmas_distinct import XmasDistinct
from xmas_assets.selection.registry import METHODS
from xmas_assets.selection.signal_arrays import Array, OrderedSignals
from xmas_assets.selection.strata import strata_of, tasks_of


@METHODS.register
class OracleTasks(Method):
    """Random rows, the same number of every true skill as far as there are so many."""

    name: ClassVar[str] = "oracle_tasks"
    paper: ClassVar[str] = "oracle of the study"
    needs: ClassVar[frozenset[str]] = frozenset({"task"})
    cost: ClassVar[Cost] = "none"
    nested: ClassVar[bool] = True

    def _choose(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        names, tasks = tasks_of(signals)
        sizes = np.bincount(tasks, minlength=len(names))
        shuffled = rng.permutation(signals.n_samples)
        by_task = shuffled[np.argsort(tasks[shuffled], kind="stable")]
        return by_task[group_heads(sizes, allocate_in_size_order(sizes, count))]


@METHODS.register
class ImageCoverage(Method):
    """Farthest-first over the base model's picture embeddings: what needs no proxy, no attention and no text."""

    name: ClassVar[str] = "image_coverage"
    paper: ClassVar[str] = "control of the study"
    needs: ClassVar[frozenset[str]] = frozenset({"image_embedding"})
    cost: ClassVar[Cost] = "forward"
    nested: ClassVar[bool] = True

    def _prepare(self, signals: OrderedSignals) -> dict[str, Array]:
        (embedding,) = self.needs
        return {"ranked": coverage_order(signals[embedding], cell_rows=20_000)}

    def _choose(self, signals: OrderedSignals, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        return signals["ranked"][:count]


@METHODS.register
class TextCoverage(ImageCoverage):
    """Farthest-first over the base model's text embeddings."""

    name: ClassVar[str] = "text_coverage"
    needs: ClassVar[frozenset[str]] = frozenset({"text_embedding"})


@METHODS.register
class EmbeddingDistinct(XmasDistinct):
    """The rule of ``xmas_distinct`` over the base model's picture and text embeddings: no proxy, no attention."""

    name: ClassVar[str] = "embedding_distinct"
    paper: ClassVar[str] = "control of the study"
    needs: ClassVar[frozenset[str]] = frozenset({"has_image", "image_embedding", "text_embedding"})
    cost: ClassVar[Cost] = "forward"

    def _vectors(self, signals: OrderedSignals, rows: NDArray[np.int64]) -> Array:
        return np.hstack([signals["image_embedding"][rows], signals["text_embedding"][rows]])


@METHODS.register
class XmasUnstable(Xmas):
    """XMAS with its ranking turned round: of every cluster the rows of largest instability."""

    name: ClassVar[str] = "xmas_unstable"
    paper: ClassVar[str] = "ablation of the study"

    def _prepare(self, signals: OrderedSignals) -> dict[str, Array]:
        strata, sizes = strata_of(signals)
        stability = np.where(signals["cluster_label"] >= 0, -signals["instability"], 0)
        return {"ranked_rows": np.lexsort((stability, strata)), "sizes": sizes}
