"""What the page on benchmarks says of lmms-eval accounts for the whole difference of its scores."""

from collections.abc import Callable
from statistics import mean

import pytest

from xmas_assets.evaluation.benchmarks.base import Item
from xmas_assets.evaluation.benchmarks.mme import PERCEPTION, said
from xmas_assets.evaluation.benchmarks.pope import CATEGORIES
from xmas_assets.evaluation.benchmarks.registry import BENCHMARKS
from xmas_assets.evaluation.benchmarks.vqa_text import evalai_words, plain_words, soft_accuracy
from xmas_assets_tests.golden import official
from xmas_assets_tests.golden.test_benchmarks_page import HEADLINES


def _vqav2(items: list[Item]) -> float:
    """The official normal form, without a short cut for references that are all the same."""
    answers = {str(row["question_id"]): row["answer"] for row in official.read("vqav2", "results_raw.json")}
    return 100 * mean(_accuracy(item, answers[item.item_id], plain_words) for item in items)


def _vizwiz(items: list[Item]) -> float:
    """One normal form for both sides."""
    answers = {row["image"]: row["answer"] for row in official.read("vizwiz", "results_raw.json")}
    return 100 * mean(_accuracy(item, answers[item.item_id], evalai_words) for item in items)


def _accuracy(item: Item, answer: str, normal: Callable[[str], str]) -> float:
    return soft_accuracy(normal(answer), [normal(reference) for reference in item.references])


def _scienceqa(items: list[Item]) -> float:
    """A letter of either case, or a capital one before a period; nothing after "The answer is"."""
    answers = {row["question_id"]: row["text"].strip() for row in official.read("scienceqa", "llava_answers.jsonl")}
    asked = [item for item in items if item.images and item.item_id in answers]
    return 100 * mean(_letter(answers[item.item_id]) == item.references[0] for item in asked)


def _letter(text: str) -> str:
    return text[0] if text[1:2] == "." and text[0].isupper() else text.upper()


def _pope(items: list[Item]) -> float:
    """Only "yes" and "no" are answers; others are in neither precision nor recall."""
    f1 = []
    for category in CATEGORIES:
        labels = [item.references[0] for item in items if item.categories["category"] == category]
        answers = [row["answer"].strip().lower() for row in official.read("pope", f"original_answers_{category}.json")]
        pairs = list(zip(labels, answers, strict=True))
        hits = 2 * pairs.count(("yes", "yes"))
        f1.append(hits / (hits + pairs.count(("no", "yes")) + pairs.count(("yes", "no"))))
    return 100 * mean(f1)


def _mme(items: list[Item]) -> float:
    """Blanks at the ends and periods go first; "y" and "n" are answers."""
    answers = {}
    for task in PERCEPTION:
        lines = official.file("mme", f"results/{task}.txt").read_text(encoding="utf-8").strip("\n").split("\n")
        for number, line in enumerate(lines):
            text = line.split("\t")[3].lower().strip().replace(".", "")
            answers[f"{task}_{number}"] = {"y": "yes", "n": "no"}.get(text, said(text))
    return BENCHMARKS["mme"].headline(BENCHMARKS["mme"].units(items, answers))


@pytest.mark.parametrize("rule", [_vqav2, _vizwiz, _scienceqa, _pope, _mme])
def test_the_difference_that_the_page_names_gives_the_score_of_lmms_eval(rule: Callable[[list[Item]], float]):
    name = rule.__name__.removeprefix("_")
    expected = HEADLINES[name][1](official.read(name, "expected_lmms_eval.json"))
    assert rule(BENCHMARKS[name].read(official.question_files(name))) == pytest.approx(expected)
