"""LLaVA-Bench (in the wild): open questions whose answers a judge rates next to GPT-4's."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.core.arrays import FloatArray
from xmas_assets.evaluation.benchmarks.base import Files, Item, JudgedBenchmark, Unit
from xmas_assets.evaluation.benchmarks.official_files import (
    annotation_file,
    answer_lines,
    entry,
    mapping,
    read_json,
    read_json_lines,
    with_unique_ids,
)

_PREFIX = "llava_bench_"  # of the categories' names among the rules
_UNREAD = (-1.0, -1.0)
_HIGHEST = 10.0


class Llavabench(JudgedBenchmark):
    """LLaVA-Bench: the judge's ratings of the model in percent of its ratings of GPT-4, which saw a text for the image.

    A reply that cannot be read counts as -1 for both, and stays in the means, as in the official script; but that
    script asks only once. Numbers depend much on the judge: LLaVA-1.5 had gpt-4-0314.
    """

    name: ClassVar[str] = "llavabench"
    title: ClassVar[str] = "LLaVA-Bench"
    source: ClassVar[str] = "Liu et al. 2023 (arXiv 2304.08485); eval_gpt_review_bench.py of haotian-liu/LLaVA"
    metric: ClassVar[str] = "rating relative to GPT-4's, percent"
    max_new_tokens: ClassVar[int] = 1024
    files: ClassVar[str] = (
        "questions: questions.jsonl, context.jsonl, rule.json; annotations: answers_gpt4.jsonl; images: its images"
    )
    judge: ClassVar[str] = "gpt-4-0314, temperature 0.2"
    judge_instruction: ClassVar[str] = "You are a helpful and precise assistant for checking the quality of the answer."
    temperature: ClassVar[float] = 0.2
    max_reply_tokens: ClassVar[int] = 1024
    max_asks: ClassVar[int] = 3

    def read(self, files: Files) -> list[Item]:
        """The questions with what the judge is told besides: a text for the image, the rule, GPT-4's answer."""
        questions, *others = files.questions
        rows = read_json_lines(questions)
        if len(others) != 2:
            raise DatasetError(
                f"{questions} came with {len(others)} other question files; give --questions three times: "
                "questions.jsonl, context.jsonl and rule.json"
            )
        context_of, answer_of = _by(others[0], "image"), _by(annotation_file(files), "question_id")
        rule_of = mapping(read_json(others[1]), str(others[1]))
        items = []
        for number, row in enumerate(rows):
            where = f"{questions}: question {number}"
            name, image = entry(row, "question_id", where, kind=int), entry(row, "image", where)
            category = _PREFIX + entry(row, "category", where)
            if image not in context_of or name not in answer_of or category not in rule_of:
                raise DatasetError(
                    f"{where} has no context, no answer of GPT-4 or no rule in the other files; get the official ones"
                )
            text = entry(row, "text", where)
            items.append(
                Item(
                    item_id=str(name),
                    question=text,
                    prompt=text,
                    images=(image,),
                    references=(entry(answer_of[name], "text", f"{files.annotations}: {name}"),),
                    categories={"category": category},
                    details={
                        "context": _context(context_of[image], f"{others[0]}: {image}"),
                        **_rule(rule_of[category], f"{others[1]}: {category}"),
                    },
                )
            )
        return with_unique_ids(items, questions)

    def judge_prompt(self, item: Item, answer: str, *, again: bool = False) -> str:
        """Context, question, GPT-4's answer, the model's answer, and the category's rule."""
        role = item.details["role"]
        said = (
            f"[{role} {number}]\n{text}\n\n[End of {role} {number}]"
            for number, text in enumerate((item.references[0], answer), start=1)
        )
        context = f"[Context]\n{item.details['context']}"
        rule = f"[System]\n{item.details['rule']}"
        return "\n\n".join([context, f"[Question]\n{item.question}", *said, rule, ""])

    def reply_is_readable(self, reply: str) -> bool:
        """Whether its first line is two numbers."""
        return _finite_pair(reply) != _UNREAD

    def score(self, item: Item, answer: str) -> float:
        """The model's rating / 10 in the judge's reply; 0 for one that cannot be read."""
        return min(1.0, max(0.0, _finite_pair(answer)[1] / _HIGHEST))

    def units(self, items: Sequence[Item], answers: Mapping[str, str]) -> list[Unit]:
        """Per item: rating of GPT-4 and of the model, / 10; -0.1 where they cannot be read."""
        units = []
        for item in items:
            if item.item_id in answers and self.is_scored(item):
                gpt4, model = _finite_pair(answers[item.item_id])
                units.append(Unit((item.item_id,), "", (gpt4 / _HIGHEST, model / _HIGHEST)))
        return units

    def stratum_score(self, means: FloatArray) -> FloatArray:
        """Model's mean / GPT-4's mean, each rounded to 3 decimals before; above 1 where the model is better."""
        gpt4, model = np.moveaxis(np.round(_HIGHEST * means, 3), -1, 0)
        return np.divide(model, gpt4, out=np.zeros_like(model), where=gpt4 != 0)

    def parts(self, items: Sequence[Item], answers: Mapping[str, str]) -> dict[str, float]:
        """Per category and of all: ``relative`` in percent, and the mean ratings times 10, ``gpt4`` and ``model``."""
        category_of = {item.item_id: item.categories["category"] for item in items}
        by_category: dict[str, list[Unit]] = {}
        for unit in self.units(items, answers):
            for category in ("all", category_of[unit.item_ids[0]]):
                by_category.setdefault(category, []).append(unit)
        parts = {}
        for category, units in sorted(by_category.items()):
            gpt4, model = np.array([unit.values for unit in units]).mean(axis=0)
            parts[f"{category}/relative"] = self.headline(units)
            parts |= {f"{category}/gpt4": 100 * float(gpt4), f"{category}/model": 100 * float(model)}
        return parts

    def submission(self, items: Sequence[Item], answers: Mapping[str, str]) -> tuple[str, bytes]:
        """Answers as the official review script reads them."""
        rows = [
            {
                "question_id": int(item.item_id),
                "prompt": item.prompt,
                "text": answers.get(item.item_id, ""),
                "answer_id": item.item_id,
            }
            for item in items
        ]
        return "llavabench_answers.jsonl", answer_lines(rows)


def rating_pair(reply: str) -> tuple[float, float]:
    """Ratings of GPT-4 and of the model: exactly two numbers in the first line, between them one blank or comma.

    Without these -1 and -1. So "8, 9" and "8 9 " cannot be read, but "8 9." can.
    """
    pieces = reply.split("\n")[0].replace(",", " ").split(" ")
    try:
        first, second = map(float, pieces)
    except ValueError:
        return _UNREAD
    return first, second


def _finite_pair(reply: str) -> tuple[float, float]:
    """``rating_pair``, save for "nan" and "inf", which the official script takes; every mean would be one."""
    pair = rating_pair(reply)
    return pair if all(map(math.isfinite, pair)) else _UNREAD


def _by(path: Path, name: str) -> dict[Any, dict[str, Any]]:
    """Lines of a file by one of their fields."""
    kind = (str, int)
    return {entry(row, name, f"{path}: line {n}", kind=kind): row for n, row in enumerate(read_json_lines(path), 1)}


def _rule(value: Any, where: str) -> dict[str, str]:
    rule = mapping(value, where)
    return {"role": entry(rule, "role", where), "rule": entry(rule, "prompt", where)}


def _context(row: Mapping[str, Any], where: str) -> str:
    """The text for an image; the script joins a list, and the published file has one text."""
    caption = entry(row, "caption", where, kind=(str, list))
    return caption if isinstance(caption, str) else "\n".join(map(str, caption))
