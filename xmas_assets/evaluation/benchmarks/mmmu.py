"""MMMU: college questions of thirty subjects, most with lettered options."""

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.contracts.messages import shown
from xmas_assets.evaluation.benchmarks.base import OPTION_LETTER, SHORT_ANSWER, Benchmark, Files, Item
from xmas_assets.evaluation.benchmarks.mmmu_answers import is_right, read_choice
from xmas_assets.evaluation.benchmarks.official_files import (
    entry,
    mapping,
    read_json,
    read_parquet,
    rows_of,
    strings_of,
    with_unique_ids,
)

_MULTIPLE_CHOICE = "multiple-choice"
_DOMAINS = {
    "Art and Design": "Art Art_Theory Design Music",
    "Business": "Accounting Economics Finance Manage Marketing",
    "Science": "Biology Chemistry Geography Math Physics",
    "Health and Medicine": (
        "Basic_Medical_Science Clinical_Medicine Diagnostics_and_Laboratory_Medicine Pharmacy Public_Health"
    ),
    "Humanities and Social Science": "History Literature Sociology Psychology",
    "Tech and Engineering": (
        "Agriculture Architecture_and_Engineering Computer_Science Electronics Energy_and_Power Materials "
        "Mechanical_Engineering"
    ),
}
_DOMAIN_OF = {subject: domain for domain, subjects in _DOMAINS.items() for subject in subjects.split()}
_MOST_IMAGES = 7


class Mmmu(Benchmark):
    """MMMU, scored as its evaluation scripts score it, except that nothing is drawn at random.

    Where the official script finds no option in an answer, it draws one; which one depends on all items before. Here
    such an answer scores 1 / number of options, what the draw gives on average, and ``guessed`` lists its item.
    """

    name: ClassVar[str] = "mmmu"
    title: ClassVar[str] = "MMMU"
    source: ClassVar[str] = "Yue et al. 2023 (arXiv 2311.16502); eval_utils.py of MMMU-Benchmark/MMMU"
    metric: ClassVar[str] = "accuracy over all questions, percent"
    max_new_tokens: ClassVar[int] = 32
    files: ClassVar[str] = (
        "questions: the subjects' validation-*.parquet, which hold the images, or output.json files to score alone"
    )

    def read(self, files: Files) -> list[Item]:
        """The questions, file after file; those of ``output.json`` have neither words nor images, and are not asked."""
        items = [_item(row, where) for path in files.questions for where, row in _rows(path)]
        return with_unique_ids(items, files.questions[0])

    def score(self, item: Item, answer: str) -> float:
        """1 if the answer is right; 1 / number of options where no option can be read."""
        if not item.details["options"]:
            return float(is_right(answer, item.references))
        read = read_choice(answer, item.details["options"])
        return 1 / len(item.details["options"]) if read is None else float(read in item.references)

    def guessed(self, items: Sequence[Item], answers: Mapping[str, str]) -> list[str]:
        """Items whose answer names no option, so that the official script draws one."""
        return [
            item.item_id
            for item in items
            if item.details["options"]
            and item.item_id in answers
            and read_choice(answers[item.item_id], item.details["options"]) is None
        ]

    def parts(self, items: Sequence[Item], answers: Mapping[str, str]) -> dict[str, float]:
        """Accuracy per subject and domain, and the share of answers that name no option (``guessed``), in percent."""
        scores = self.score_all(items, answers)
        scored = [item for item in items if item.item_id in scores]
        if not scored:
            return {}
        return super().parts(scored, answers) | {"guessed": 100 * len(self.guessed(scored, answers)) / len(scored)}

    def submission(self, items: Sequence[Item], answers: Mapping[str, str]) -> tuple[str, bytes]:
        """Answers by question, as the test server and ``main_eval_only.py`` take them: a letter, or the words.

        The letter is the first where none can be read; the server would draw one from a text.
        """
        rows = {}
        for item in items:
            answer, options = answers.get(item.item_id, ""), item.details["options"]
            rows[item.item_id] = (read_choice(answer, options) or next(iter(options))) if options else answer
        return "mmmu_answers.json", json.dumps(rows, ensure_ascii=False).encode()


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Official records, in the form of ``output.json``."""
    if path.suffix == ".parquet":
        for where, row in rows_of(read_parquet(path), str(path)):
            options = _literal(row, "options", where)
            letters = [chr(ord("A") + position) for position in range(len(options))]
            answer = entry(row, "answer", where)
            yield (
                where,
                {
                    **row,
                    "answer": _literal(row, "answer", where) if answer.startswith("[") else answer,
                    "index2ans": dict(zip(letters, options, strict=True)),
                },
            )
    else:
        yield from rows_of(read_json(path), str(path))


def _item(row: Mapping[str, Any], where: str) -> Item:
    name, question = entry(row, "id", where), str(row.get("question", ""))
    is_choice = entry(row, "question_type", where) == _MULTIPLE_CHOICE
    options = mapping(row.get("index2ans"), f"{where}: index2ans") if is_choice else {}
    if is_choice and not options:
        raise DatasetError(f"{where} has no options; get the official file again")
    options = {letter: entry(options, letter, f"{where}: index2ans") for letter in options}
    return Item(
        item_id=name,
        question=question,
        prompt=_prompt(question, options),
        images=tuple(_images(row, where)),
        references=_references(row, where),
        categories=_categories(name),
        details={"options": options},
    )


def _prompt(question: str, options: Mapping[str, str]) -> str:
    """As the benchmark's settings for LLaVA-1.5 word it."""
    if not options:
        return question + SHORT_ANSWER
    lines = "".join(f"({letter}) {text}\n" for letter, text in options.items())
    return f"{question}\n{lines}{OPTION_LETTER}"


def _references(row: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """The right answers; none in the test split, whose answers are "?"."""
    answer = entry(row, "answer", where, kind=(str, list))
    if isinstance(answer, list):
        return strings_of(row, "answer", where)
    return () if answer == "?" else (answer,)


def _categories(name: str) -> dict[str, str]:
    """Subject and domain of an id such as ``validation_Computer_Science_3``."""
    found = re.fullmatch(r"[a-z]+_(\w+)_\d+", name)
    if found is None:
        return {}
    return {"subject": found[1]} | ({"domain": _DOMAIN_OF[found[1]]} if found[1] in _DOMAIN_OF else {})


def _images(row: Mapping[str, Any], where: str) -> Iterator[bytes]:
    for number in range(1, _MOST_IMAGES + 1):
        image = row.get(f"image_{number}")
        if image is not None:
            yield entry(mapping(image, f"{where}: image_{number}"), "bytes", f"{where}: image_{number}", kind=bytes)


def _literal(row: Mapping[str, Any], name: str, where: str) -> list[str]:
    """A list that the official file writes as Python does."""
    text = entry(row, name, where)
    try:
        values = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise DatasetError(
            f"{where}: {name!r} is {shown(text, 60)}, not a list of texts; get the file again"
        ) from error
    return list(strings_of({name: values}, name, where))
