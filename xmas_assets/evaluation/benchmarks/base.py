"""What a benchmark is: items read from its official files, an answer scored, scores put together to one number."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from xmas_assets.core.arrays import FloatArray

SHORT_ANSWER = "\nAnswer the question using a single word or phrase."
"""What LLaVA-1.5 adds to a question that wants few words (its ``scripts/convert_*`` and question files)."""
OPTION_LETTER = "\nAnswer with the option's letter from the given choices directly."
"""What LLaVA-1.5 adds to a question with lettered options."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One question of a benchmark.

    Attributes:
        item_id: Unique within the benchmark; its own id where it has one.
        question: As the official file words it.
        prompt: What a model is told, without image marks: LLaVA-1.5's form.
        images: Names of files below the benchmark's images folder, or the bytes of images that its file holds.
        references: The right answers; none where the split is published without.
        categories: The kinds of question that the official script reports on, by the name of the division, such as
            ``{"question_type": "how many", "answer_type": "number"}``.
        details: What scoring reads besides, by names of the benchmark's own; JSON values.
    """

    item_id: str
    question: str
    prompt: str
    images: tuple[str | bytes, ...]
    references: tuple[str, ...]
    categories: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


class Unit(NamedTuple):
    """What counts once in the headline: mostly an item; where items only count together, a group of them.

    Attributes:
        item_ids: The items.
        stratum: The headline is the mean over strata of what their units reach; "" where all units are one.
        values: What ``Benchmark.stratum_score`` takes the means of, in [0, 1].
    """

    item_ids: tuple[str, ...]
    stratum: str
    values: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Files:
    """Where a benchmark's official files are.

    Attributes:
        questions: The question files, in the order given.
        annotations: The file of right answers, where it is another one.
        images: Folder of the images, unless the question file holds them.
    """

    questions: tuple[Path, ...]
    annotations: Path | None = None
    images: Path | None = None


class Benchmark(ABC):
    """A published benchmark.

    A score is 0 to 1 per item, and ``headline`` is the number that papers print, on the scale that they use:
    ``maximum`` times the mean over strata of ``stratum_score`` of the mean values of the stratum's units. So every
    headline can be resampled in one way.

    Attributes:
        name: What it is called in commands, words of a-z and 0-9 joined by ``_``.
        title: What papers call it.
        source: Paper and official script.
        metric: What the headline is.
        maximum: The headline of a model that is always right.
        max_new_tokens: Longest answer that a model may give.
        files: What ``--questions`` and ``--annotations`` are, as a sentence.
        judged: Whether answers are scored by a judge (a person or a language model), whose replies are then scored.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    metric: ClassVar[str]
    maximum: ClassVar[float] = 100.0
    max_new_tokens: ClassVar[int]
    files: ClassVar[str]
    judged: ClassVar[bool] = False

    @abstractmethod
    def read(self, files: Files) -> list[Item]:
        """The benchmark's items, in their file's order.

        Raises:
            DatasetError: If a file is missing, is not in the official form, or has an id twice.
        """

    @abstractmethod
    def score(self, item: Item, answer: str) -> float:
        """Score of an answer, in [0, 1].

        Args:
            item: With ``references``.
            answer: As the model gave it, white space at its ends removed.
        """

    def score_all(self, items: Sequence[Item], answers: Mapping[str, str]) -> dict[str, float]:
        """Score of each answered item by its id, for metrics that need all answers at once.

        Args:
            items: All of them.
            answers: By item id. Items without an answer get no score.
        """
        return {item.item_id: self.score(item, answers[item.item_id]) for item in items if item.item_id in answers}

    def units(self, items: Sequence[Item], answers: Mapping[str, str]) -> list[Unit]:
        """What the headline is made of; what has no answer takes no part.

        Args:
            items: All of them.
            answers: By item id.
        """
        scores = self.score_all(items, answers)
        return [Unit((name,), "", (score,)) for name, score in scores.items()]

    def stratum_score(self, means: FloatArray) -> FloatArray:
        """Score of a stratum from the means of its units' values.

        Args:
            means: Shape (..., n_values).

        Returns:
            Shape (...), in [0, 1].
        """
        return means[..., 0]

    def headline(self, units: Sequence[Unit]) -> float:
        """The number that papers print; NaN without units."""
        strata: dict[str, list[tuple[float, ...]]] = {}
        for unit in units:
            strata.setdefault(unit.stratum, []).append(unit.values)
        reached = [self.stratum_score(np.array(values, dtype=np.float64).mean(axis=0)) for values in strata.values()]
        return self.maximum * float(np.mean(reached)) if reached else float("nan")

    def parts(self, items: Sequence[Item], answers: Mapping[str, str]) -> dict[str, float]:
        """The other numbers that the official script prints, on its scale, by names such as ``answer_type/number``.

        Args:
            items: All of them.
            answers: By item id.

        Returns:
            By division and category, in their alphabetical order; only of answered items.
        """
        scores = self.score_all(items, answers)
        by_part: dict[str, list[float]] = {}
        for item in items:
            for division, category in item.categories.items():
                if item.item_id in scores:
                    by_part.setdefault(f"{division}/{category}", []).append(scores[item.item_id])
        return {name: self.maximum * float(np.mean(by_part[name])) for name in sorted(by_part)}

    def submission(self, items: Sequence[Item], answers: Mapping[str, str]) -> tuple[str, bytes] | None:
        """Name and content of a file in the form that the official server or script takes; None if there is none.

        Args:
            items: All of them.
            answers: By item id; an item without one is submitted with an empty answer.
        """
        return None
