"""What a benchmark is: items read from its official files, an answer scored, scores put together to one number."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from xmas_assets.core.arrays import FloatArray

SHORT_ANSWER = "\nAnswer the question using a single word or phrase."
"""What LLaVA-1.5 adds to a question that wants few words (its ``scripts/convert_*`` and question files)."""
OPTION_LETTER = "\nAnswer with the option's letter from the given choices directly."
"""What LLaVA-1.5 adds to a question with lettered options."""


@dataclass(frozen=True, kw_only=True, slots=True)
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
        judged: Whether a judge scores the answers: ``JudgedBenchmark``.
        ranks_options: Whether it is also defined by the likelihood of options, ``options`` in an item's details: texts
            by letter, of which ``score`` takes the letter.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    metric: ClassVar[str]
    maximum: ClassVar[float] = 100.0
    max_new_tokens: ClassVar[int]
    files: ClassVar[str]
    judged: ClassVar[bool] = False
    ranks_options: ClassVar[bool] = False

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
            items: All of them. Those whose right answer is not published get no score.
            answers: By item id. Items without an answer get no score.
        """
        return {
            item.item_id: self.score(item, answers[item.item_id])
            for item in items
            if item.item_id in answers and self.is_scored(item)
        }

    def is_scored(self, item: Item) -> bool:
        """Whether an answer to this item can be scored: its right answer is published."""
        return bool(item.references)

    def units(self, items: Sequence[Item], answers: Mapping[str, str]) -> list[Unit]:
        """What the headline is made of; what has no answer takes no part.

        Args:
            items: All of them.
            answers: By item id.
        """
        scores = self.score_all(items, answers)
        return [Unit((name,), "", (score,)) for name, score in scores.items()]

    def units_over_runs(self, items: Sequence[Item], runs: Sequence[Mapping[str, str]]) -> list[Unit]:
        """``units`` of several runs of the judge, each with the means of its values; of one run that of the run.

        Args:
            items: All of them.
            runs: Answers, or a judge's replies, by item id.
        """
        if len(runs) == 1:
            return self.units(items, runs[0])
        found: dict[tuple[tuple[str, ...], str], list[tuple[float, ...]]] = {}
        for run in runs:
            for unit in self.units(items, run):
                found.setdefault((unit.item_ids, unit.stratum), []).append(unit.values)
        return [Unit(*unit, tuple(np.mean(values, axis=0).tolist())) for unit, values in found.items()]

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
        by_part = mean_by_name(
            (f"{division}/{category}", scores[item.item_id])
            for item in items
            if item.item_id in scores
            for division, category in item.categories.items()
        )
        return {name: self.maximum * mean for name, mean in by_part.items()}

    def submission(self, items: Sequence[Item], answers: Mapping[str, str]) -> tuple[str, bytes] | None:
        """Name and content of a file in the form that the official server or script takes; None if there is none.

        Args:
            items: All of them.
            answers: By item id; an item without one is submitted with an empty answer.
        """
        return None


class JudgedBenchmark(Benchmark):
    """A benchmark whose answers a judge scores, a person or a language model.

    Its methods take the judge's replies where those of other benchmarks take answers; only ``judge_prompt`` and
    ``submission`` take answers.

    Attributes:
        judge: Who judged in the published numbers.
        judge_instruction: What the judge is told before the prompt, as its system message; "" if nothing.
        judge_version: Raised when the judge is asked in other words.
        temperature: Of the judge; 0 for its likeliest reply.
        warmer: What is added to it from the third ask on, each time; the second has another prompt instead.
        max_reply_tokens: Longest reply that the judge may give.
        max_asks: How often the judge is asked about an answer until a reply can be read.
        rated: Whether people may score the answers on a sheet, by replies that ``score`` takes.
    """

    judged: ClassVar[bool] = True
    judge: ClassVar[str]
    judge_instruction: ClassVar[str] = ""
    judge_version: ClassVar[int] = 1
    temperature: ClassVar[float] = 0.0
    warmer: ClassVar[float] = 0.0
    rated: ClassVar[bool] = False
    max_reply_tokens: ClassVar[int]
    max_asks: ClassVar[int]

    @abstractmethod
    def judge_prompt(self, item: Item, answer: str, *, again: bool = False) -> str:
        """What the judge is asked about an answer.

        Args:
            item: What was asked.
            answer: As the model gave it.
            again: Whether an earlier reply about it could not be read.
        """

    @abstractmethod
    def reply_is_readable(self, reply: str) -> bool:
        """Whether a reply has a score; if not, the judge is asked again."""

    def settled_reply(self, replies: Iterable[str]) -> tuple[str, int]:
        """The reply that counts, and how many were given until then.

        Args:
            replies: To one question, in order, at least one; no more are taken from it than are needed. The first
                readable one counts, or else the one at ``max_asks``, which ``score`` then takes as unread.
        """
        reply, n_asked = "", 0
        for reply in itertools.islice(replies, self.max_asks):
            n_asked += 1
            if self.reply_is_readable(reply):
                break
        return reply, n_asked

    def over_runs(self, items: Sequence[Item], runs: Sequence[Mapping[str, str]]) -> dict[str, float]:
        """Means over several runs of the judge, or several raters.

        Args:
            items: All of them.
            runs: Replies by item id; at least one run.

        Returns:
            The headline (``total``), its standard deviation over these runs (``std``) and ``parts``.
        """
        totals = [self.headline(self.units(items, replies)) for replies in runs]
        parts = mean_by_name(part for replies in runs for part in self.parts(items, replies).items())
        return {"total": float(np.mean(totals)), "std": float(np.std(totals))} | parts


def mean_by_name(values: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Mean of the values of each name, names in alphabetical order."""
    by_name: dict[str, list[float]] = {}
    for name, value in values:
        by_name.setdefault(name, []).append(value)
    return {name: float(np.mean(by_name[name])) for name in sorted(by_name)}
