"""GQA: compositional questions made from scene graphs."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from xmas_assets.evaluation.benchmarks.base import SHORT_ANSWER, Benchmark, Files, Item
from xmas_assets.evaluation.benchmarks.official_files import (
    entry,
    mapping,
    question_object,
    rows_of,
    with_unique_ids,
)

_NO_STEPS = ("exist", "query: name", "choose name")


class Gqa(Benchmark):
    """GQA: share of balanced questions whose answer is the very word of the reference.

    Unbalanced questions are asked, since the official script stops without their answers, but count nowhere.
    Validity, plausibility, consistency and grounding need further files. They are left out, as in the script that
    LLaVA's users run.
    """

    name: ClassVar[str] = "gqa"
    title: ClassVar[str] = "GQA"
    source: ClassVar[str] = "Hudson and Manning 2019 (arXiv 1902.09506); eval.py of GQA, answers as LLaVA converts them"
    metric: ClassVar[str] = "accuracy, percent"
    max_new_tokens: ClassVar[int] = 16
    files: ClassVar[str] = (
        "questions: testdev_balanced_questions.json, or submission_all_questions.json, which has no answers"
    )

    def read(self, files: Files) -> list[Item]:
        """The questions, balanced or not."""
        path, content = question_object(files)
        return with_unique_ids((_item(name, row, f"{path}: {name}") for name, row in content.items()), path)

    def score(self, item: Item, answer: str) -> float:
        """1 if the answer, lower-cased and without periods at its end, is the reference."""
        return float(as_prediction(answer) == item.references[0])

    def score_all(self, items: Sequence[Item], answers: Mapping[str, str]) -> dict[str, float]:
        """Score of each answered balanced item by its id."""
        return super().score_all([item for item in items if item.details["is_balanced"]], answers)

    def parts(self, items: Sequence[Item], answers: Mapping[str, str]) -> dict[str, float]:
        """Accuracy by kind of answer, type, number of steps and of words, and the distance of distributions.

        The distribution is the chi-square of predicted against right answers within each global group, mean over
        groups by their size, divided by 100. Lower is better, and it is no percentage.
        """
        parts = super().parts(items, answers)
        scores = self.score_all(items, answers)
        counted = [item for item in items if item.item_id in scores]
        groups: dict[str, list[tuple[str, str]]] = {}
        for item in counted:
            if item.details["global_group"] is not None:
                pair = item.references[0], as_prediction(answers[item.item_id])
                groups.setdefault(item.details["global_group"], []).append(pair)
        if groups:
            total = sum(len(pairs) * _chi_square(pairs) for pairs in groups.values())
            parts["distribution"] = total / sum(map(len, groups.values())) / 100
        return parts

    def submission(self, items: Sequence[Item], answers: Mapping[str, str]) -> tuple[str, bytes]:
        """The file that the official script reads: every question, its answer as LLaVA converts it."""
        rows = [
            {"questionId": item.item_id, "prediction": as_prediction(answers.get(item.item_id, ""))} for item in items
        ]
        return "gqa_predictions.json", json.dumps(rows).encode()


def as_prediction(answer: str) -> str:
    """An answer as LLaVA converts it for GQA; a blank at its end stays, and keeps a period before it."""
    return answer.rstrip(".").lower()


def _item(name: str, row: Any, where: str) -> Item:
    row = mapping(row, where)
    question = entry(row, "question", where)
    is_answered = "answer" in row
    return Item(
        item_id=name,
        question=question,
        prompt=question + SHORT_ANSWER,
        images=(f"{entry(row, 'imageId', where)}.jpg",),
        references=(entry(row, "answer", where),) if is_answered else (),
        categories=_categories(row, where) if is_answered else {},
        details={
            "is_balanced": entry(row, "isBalanced", where, kind=bool),
            "global_group": _global_group(row, where) if is_answered else None,
        },
    )


def _categories(row: Mapping[str, Any], where: str) -> dict[str, str]:
    types = entry(row, "types", where, kind=dict)
    structural = entry(types, "structural", where)
    return {
        "answer_type": "open" if structural == "query" else "binary",
        "structural": structural,
        "semantic": entry(types, "semantic", where),
        "steps": str(_n_steps(row, where)),
        "words": str(len(row["question"].split())),
    }


def _global_group(row: Mapping[str, Any], where: str) -> str | None:
    return entry(entry(row, "groups", where, kind=dict), "global", where, kind=(str, type(None)))


def _n_steps(row: Mapping[str, Any], where: str) -> int:
    """Steps of reasoning: the operations that do more than look for or name an object."""
    operations = [
        f"{entry(step, 'operation', place)}: {entry(step, 'argument', place)}"
        for place, step in rows_of(row.get("semantic"), f"{where}: semantic")
    ]
    return sum(not any(words in operation for words in _NO_STEPS) for operation in operations)


def _chi_square(pairs: Sequence[tuple[str, str]]) -> float:
    """Of the counts of predictions against those of right answers, over the right answers only."""
    right, predicted = Counter(pair[0] for pair in pairs), Counter(pair[1] for pair in pairs)
    return sum((predicted[answer] - count) ** 2 / count for answer, count in right.items())
