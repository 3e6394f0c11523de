"""ScienceQA: questions of school science with lettered options, half of them with an image."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.evaluation.benchmarks.base import OPTION_LETTER, Benchmark, Files, Item, Unit
from xmas_assets.evaluation.benchmarks.official_files import (
    answer_lines,
    entry,
    mapping,
    read_json,
    strings_of,
    with_unique_ids,
)

_LETTERS = "ABCDE"
_SPLIT = "test"


class Scienceqa(Benchmark):
    """ScienceQA as LLaVA scores it; the headline is the accuracy on questions with an image.

    Questions without an image are asked too, and are part of the accuracy on all.
    """

    name: ClassVar[str] = "scienceqa"
    title: ClassVar[str] = "SQA-I"
    source: ClassVar[str] = "Lu et al. 2022 (arXiv 2209.09513); eval_science_qa.py of haotian-liu/LLaVA"
    metric: ClassVar[str] = "accuracy on questions with an image, percent"
    max_new_tokens: ClassVar[int] = 16
    files: ClassVar[str] = "questions: problems.json, pid_splits.json; images: the folder that has the folder test"

    def read(self, files: Files) -> list[Item]:
        """The questions of the test split."""
        problems_path, splits_path = _paths(files)
        problems = mapping(read_json(problems_path), str(problems_path))
        splits = mapping(read_json(splits_path), str(splits_path))
        items = []
        for name in strings_of(splits, _SPLIT, str(splits_path)):
            if name not in problems:
                raise DatasetError(f"{problems_path} has no problem {name[:80]!r} of the {_SPLIT} split; get both")
            items.append(_item(name, problems[name], f"{problems_path}: {name}"))
        return with_unique_ids(items, splits_path)

    def score(self, item: Item, answer: str) -> float:
        """1 if the letter read is that of the right option."""
        return float(option_of(answer) == item.references[0])

    def units(self, items: Sequence[Item], answers: Mapping[str, str]) -> list[Unit]:
        """The answered items with an image."""
        return super().units([item for item in items if item.images], answers)

    def parts(self, items: Sequence[Item], answers: Mapping[str, str]) -> dict[str, float]:
        """Accuracy with and without an image, and on all."""
        scores = self.score_all(items, answers)
        accuracy = {"accuracy": self.maximum * sum(scores.values()) / len(scores)} if scores else {}
        return accuracy | super().parts(items, answers)

    def submission(self, items: Sequence[Item], answers: Mapping[str, str]) -> tuple[str, bytes]:
        """Answers as LLaVA's script reads them, which takes from the prompt whether there is an image."""
        rows = [
            {
                "question_id": item.item_id,
                "prompt": ("<image>\n" if item.images else "") + item.prompt,
                "text": answers.get(item.item_id, ""),
            }
            for item in items
        ]
        return "scienceqa_answers.jsonl", answer_lines(rows)


def option_of(answer: str) -> str | None:
    """The letter that LLaVA's script reads; None if it reads none.

    It is the whole answer, or stands before ". ", or follows "The answer is " once. Its slip is kept: there, any
    character may stand for the period, but one must, so that "The answer is A" is not read.
    """
    if len(answer) == 1 and answer in _LETTERS:
        return answer
    if answer[:1] in tuple(_LETTERS) and answer[1:3] == ". ":
        return answer[0]
    found = re.findall(r"The answer is ([A-Z]).", answer)
    return found[0] if len(found) == 1 else None


def _paths(files: Files) -> tuple[Path, Path]:
    splits = [path for path in files.questions if "split" in path.stem]
    problems = [path for path in files.questions if "split" not in path.stem]
    if len(splits) != 1 or len(problems) != 1:
        given = ", ".join(str(path) for path in files.questions)
        raise DatasetError(f"question files are {given}; give problems.json and pid_splits.json, by these names")
    return problems[0], splits[0]


def _item(name: str, row: Any, where: str) -> Item:
    row = mapping(row, where)
    question, choices = entry(row, "question", where), strings_of(row, "choices", where)
    right = entry(row, "answer", where, kind=int)
    if not 0 <= right < len(choices) <= len(_LETTERS):
        raise DatasetError(f"{where}: option {right} of {len(choices)} cannot be right; get the official file again")
    hint, image = entry(row, "hint", where), entry(row, "image", where, kind=(str, type(None)))
    context = f"Context: {hint}\n" if hint else ""
    options = "".join(f"\n{letter}. {choice}" for letter, choice in zip(_LETTERS, choices, strict=False))
    return Item(
        item_id=name,
        question=question,
        prompt=context + question + options + OPTION_LETTER,
        images=(f"{_SPLIT}/{name}/{image}",) if image else (),
        references=(_LETTERS[right],),
        categories={"modality": "image" if image else "text"},
    )
