"""Benchmarks whose answers a judge scores: what the judge is asked, and how replies come back."""

import itertools
from pathlib import Path

import pytest

from xmas_assets.evaluation.benchmarks.base import Files, JudgedBenchmark
from xmas_assets.evaluation.benchmarks.llavabench import Llavabench
from xmas_assets.evaluation.benchmarks.mmvet import Mmvet
from xmas_assets.evaluation.benchmarks.owleval import Owleval
from xmas_assets.evaluation.benchmarks.registry import BENCHMARKS
from xmas_assets_tests.golden import official

JUDGED = [benchmark for benchmark in BENCHMARKS.values() if isinstance(benchmark, JudgedBenchmark)]

every_judged = pytest.mark.parametrize("benchmark", JUDGED, ids=lambda benchmark: benchmark.name)


def test_judged_is_said_of_these_and_no_others():
    assert [benchmark for benchmark in BENCHMARKS.values() if benchmark.judged] == JUDGED


@every_judged
def test_the_judge_is_told_question_and_answer(benchmark: JudgedBenchmark):
    item = benchmark.read(official.question_files(benchmark.name))[0]
    for again in (False, True):
        prompt = benchmark.judge_prompt(item, "an answer | of\nmine", again=again)
        assert item.question in prompt and "an answer | of\nmine" in prompt


@every_judged
def test_the_judge_is_asked_until_a_reply_can_be_read_but_not_for_ever(benchmark: JudgedBenchmark):
    n_asked = itertools.count(1)
    unreadable = (f"I cannot say, attempt {attempt}" for attempt in n_asked)
    reply, count = benchmark.settled_reply(unreadable)
    assert (reply, count) == (f"I cannot say, attempt {benchmark.max_asks}", benchmark.max_asks)
    assert next(n_asked) == benchmark.max_asks + 1
    assert benchmark.score(benchmark.read(official.question_files(benchmark.name))[0], reply) == 0


def test_mmvet_asks_for_the_last_cell_of_a_row(tmp_path: Path):
    path = tmp_path / "mm-vet.json"
    path.write_text(
        '{"v1_0": {"imagename": "v1_0.png", "question": "What is x?", "answer": "-1<AND>-5", "capability": ["ocr"]}}',
        encoding="utf-8",
    )
    (item,) = Mmvet().read(Files(questions=(path,)))
    prompt = Mmvet().judge_prompt(item, "x = 3")
    assert prompt.startswith("Compare the ground truth and prediction")
    assert prompt.endswith(" physical characteristics. | 1.0\n\nWhat is x? | -1 <AND> -5 | x = 3 | ")
    again = Mmvet().judge_prompt(item, "x = 3", again=True)
    assert again == prompt + "\nPredict the correctness of the answer (digit): "


def test_llavabench_shows_the_judge_context_both_answers_and_the_rule():
    items = Llavabench().read(official.question_files("llavabench"))
    assert Llavabench().judge_prompt(items[2], "It is.") == (
        "[Context]\nA cat in a box.\nThe box is small.\n\n[Question]\nWhy is it funny?\n\n"
        "[Assistant 1]\nThe cat is larger than the box.\n\n[End of Assistant 1]\n\n"
        "[Assistant 2]\nIt is.\n\n[End of Assistant 2]\n\n"
        "[System]\nRate both for reasoning.\n\n"
    )


def test_llavabench_can_exceed_gpt4_and_keeps_what_is_not_read_in_the_means():
    items = Llavabench().read(official.question_files("llavabench"))
    units = Llavabench().units(items, {"0": "5 10", "1": "8, 9"})
    assert [unit.values for unit in units] == [(0.5, 1.0), (-0.1, -0.1)]
    assert Llavabench().headline(units) == pytest.approx(100 * 4.5 / 2)


def test_owleval_is_the_mean_of_letters_a_third_apart():
    items = Owleval().read(official.question_files("owleval"))
    ratings = {"1": " b ", "4": "D", "5": "A"}
    assert Owleval().headline(Owleval().units(items, ratings)) == pytest.approx(100 * (2 / 3 + 0 + 1) / 3)
    parts = Owleval().parts(items, ratings)
    assert parts["rating/A"] == parts["rating/B"] == parts["rating/D"] == pytest.approx(100 / 3)
    assert (parts["rating/C"], parts["ability/ocr"], parts["ability/dialogue"]) == (0, 0, 100)


def test_the_values_of_a_unit_are_means_over_runs():
    items = Owleval().read(official.question_files("owleval"))
    runs = [{"1": "A", "4": "D"}, {"1": "D"}]
    units = {unit.item_ids: unit.values for unit in Owleval().units_over_runs(items, runs)}
    assert units == {("1",): (0.5,), ("4",): (0.0,)}
    assert Owleval().units_over_runs(items, runs[:1]) == Owleval().units(items, runs[0])
    assert Owleval().units_over_runs(items, []) == []
