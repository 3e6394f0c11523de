"""POPE: whether a model sees objects that are not in the image."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.core.arrays import FloatArray
from xmas_assets.evaluation.benchmarks.base import SHORT_ANSWER, Benchmark, Files, Item, Unit
from xmas_assets.evaluation.benchmarks.official_files import (
    answer_lines,
    entry,
    read_json_lines,
    with_unique_ids,
    word_in_name,
)

CATEGORIES = ("random", "popular", "adversarial")


class Pope(Benchmark):
    """POPE: mean F1 over its three ways to choose absent objects, "yes" being the positive answer.

    Answers are paired with questions by id. The official script pairs them by position, and so must be given all.
    """

    name: ClassVar[str] = "pope"
    title: ClassVar[str] = "POPE"
    source: ClassVar[str] = "Li et al. 2023 (arXiv 2305.10355); evaluate.py of AoiDragon/POPE"
    metric: ClassVar[str] = "F1, mean over the three categories, percent"
    max_new_tokens: ClassVar[int] = 16
    files: ClassVar[str] = "questions: coco_pope_random.json, coco_pope_popular.json, coco_pope_adversarial.json"

    def read(self, files: Files) -> list[Item]:
        """The labels' questions, file after file."""
        items = []
        for path in files.questions:
            category = word_in_name(path, CATEGORIES)
            for number, row in enumerate(read_json_lines(path)):
                where = f"{path}: question {number}"
                question, label = entry(row, "text", where), entry(row, "label", where)
                if label not in ("yes", "no"):
                    raise DatasetError(f"{where}: label {label!r} is neither yes nor no; get the official file again")
                items.append(
                    Item(
                        item_id=f"{category}_{entry(row, 'question_id', where, kind=int)}",
                        question=question,
                        prompt=question + SHORT_ANSWER,
                        images=(entry(row, "image", where),),
                        references=(label,),
                        categories={"category": category},
                    )
                )
        return with_unique_ids(items, files.questions[0])

    def score(self, item: Item, answer: str) -> float:
        """1 if the answer says what the label says. All that is no "no" says yes, also an empty answer."""
        return float(says_no(answer) == (item.references[0] == "no"))

    def units(self, items: Sequence[Item], answers: Mapping[str, str]) -> list[Unit]:
        """Per item: true positive, false positive, false negative."""
        units = []
        for item in items:
            if item.item_id in answers and self.is_scored(item):
                said, truth = not says_no(answers[item.item_id]), item.references[0] == "yes"
                values = (float(said and truth), float(said and not truth), float(truth and not said))
                units.append(Unit((item.item_id,), item.categories["category"], values))
        return units

    def stratum_score(self, means: FloatArray) -> FloatArray:
        """F1; 0 where nothing is or was said to be there, where the official script stops with a division by 0."""
        hits, false_alarms, misses = np.moveaxis(means, -1, 0)
        total = 2 * hits + false_alarms + misses
        return np.divide(2 * hits, total, out=np.zeros_like(total), where=total > 0)

    def parts(self, items: Sequence[Item], answers: Mapping[str, str]) -> dict[str, float]:
        """Accuracy, precision, recall, F1 and share of "yes" per category, and their means, in percent."""
        by_category: dict[str, list[tuple[float, ...]]] = {}
        for unit in self.units(items, answers):
            by_category.setdefault(unit.stratum, []).append(unit.values)
        measures = {name: self._measures(np.array(values)) for name, values in sorted(by_category.items())}
        parts = {f"{name}/{key}": value for name, found in measures.items() for key, value in found.items()}
        means = {key: [found[key] for found in measures.values()] for key in next(iter(measures.values()), {})}
        return parts | {key: float(np.mean(values)) for key, values in means.items()}

    def _measures(self, values: FloatArray) -> dict[str, float]:
        hits, false_alarms, misses = values.mean(axis=0)
        measures = {
            "accuracy": 1 - false_alarms - misses,
            "precision": hits / max(hits + false_alarms, 1e-300),
            "recall": hits / max(hits + misses, 1e-300),
            "f1": float(self.stratum_score(values.mean(axis=0))),
            "yes_ratio": hits + false_alarms,
        }
        return {name: 100 * float(value) for name, value in measures.items()}

    def submission(self, items: Sequence[Item], answers: Mapping[str, str]) -> tuple[str, bytes]:
        """Answers as the official script reads them, in the order of the labels."""
        rows = [{"question": item.question, "answer": answers.get(item.item_id, "")} for item in items]
        return "pope_answers.jsonl", answer_lines(rows)


def says_no(answer: str) -> bool:
    """Whether the first sentence has "No", "not" or "no" as a word, by blanks, commas left out."""
    words = answer.split(".")[0].replace(",", "").split(" ")
    return any(word in ("No", "not", "no") for word in words)
