"""ChartQA: questions about charts, numbers counting within 5 %."""

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from xmas_assets.evaluation.benchmarks.base import SHORT_ANSWER, Benchmark, Files, Item
from xmas_assets.evaluation.benchmarks.official_files import entry, read_json, rows_of, with_unique_ids, word_in_name

SPLITS = ("human", "augmented")
_MAX_RELATIVE_CHANGE = 0.05


class Chartqa(Benchmark):
    """ChartQA: relaxed accuracy over the questions of people and those made from the charts' captions."""

    name: ClassVar[str] = "chartqa"
    title: ClassVar[str] = "ChartQA"
    source: ClassVar[str] = "Masry et al. 2022 (arXiv 2203.10244); metrics.py of google-research/pix2struct"
    metric: ClassVar[str] = "relaxed accuracy, percent"
    max_new_tokens: ClassVar[int] = 32
    files: ClassVar[str] = "questions: test_human.json, test_augmented.json; images: test/png"

    def read(self, files: Files) -> list[Item]:
        """The questions, file after file."""
        items = []
        for path in files.questions:
            split = word_in_name(path, SPLITS)
            for number, (where, row) in enumerate(rows_of(read_json(path), str(path))):
                question = entry(row, "query", where)
                items.append(
                    Item(
                        item_id=f"{split}_{number}",
                        question=question,
                        prompt=question + SHORT_ANSWER,
                        images=(entry(row, "imgname", where),),
                        references=(entry(row, "label", where),),
                        categories={"split": split},
                    )
                )
        return with_unique_ids(items, files.questions[0])

    def score(self, item: Item, answer: str) -> float:
        """1 if the answer is the label, or a number within 5 % of it."""
        return float(is_close(answer, item.references[0]))

    def submission(self, items: Sequence[Item], answers: Mapping[str, str]) -> tuple[str, bytes]:
        """The question files' records, each with its prediction."""
        rows = [
            {"imgname": item.images[0], "query": item.question, "prediction": answers.get(item.item_id, "")}
            for item in items
        ]
        return "chartqa_predictions.json", json.dumps(rows).encode()


def is_close(answer: str, target: str) -> bool:
    """Whether an answer is right by the relaxed rule.

    Where both are numbers, and the target is not 0, they may differ by 5 % of the target. So "2008" is right for
    "2010", and "12" is wrong for "12%", which is 0.12. All else must be equal but for case: "0.0" is wrong for "0".
    """
    number, right = _number(answer), _number(target)
    if number is not None and right:
        return abs(number - right) / abs(right) <= _MAX_RELATIVE_CHANGE
    return answer.lower() == target.lower()


def _number(text: str) -> float | None:
    try:
        return float(text.rstrip("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None
