"""What holds for every benchmark, on the official files that are kept for it."""

import math

import numpy as np
import pytest

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.evaluation.benchmarks.base import Benchmark, Files, Item
from xmas_assets.evaluation.benchmarks.registry import BENCHMARKS
from xmas_assets_tests.golden import official

ODD_ANSWERS = [
    "",
    " ",
    "\n",
    "A",
    "yes",
    "no",
    "42",
    "4,200.5%",
    "ﬁne – naïve 食べる 🙂",
    "．",
    "a" * 5000,
    "\x00",
    "ß\u2028İ",
]

pytestmark = pytest.mark.parametrize("name", BENCHMARKS)


def _read(name: str) -> tuple[Benchmark, list[Item]]:
    benchmark = BENCHMARKS[name]
    return benchmark, benchmark.read(official.question_files(name))


def test_items_are_read_once_each_with_prompt_and_images(name: str):
    benchmark, items = _read(name)
    assert len({item.item_id for item in items}) == len(items) > 1
    assert all(item.prompt and item.images is not None for item in items)
    assert items == benchmark.read(official.question_files(name))


def test_any_text_has_a_score_from_0_to_1(name: str):
    benchmark, items = _read(name)
    if not benchmark.judged:
        scores = [benchmark.score(item, answer) for item in items[:40] for answer in ODD_ANSWERS]
        assert all(0 <= score <= 1 for score in scores)


def test_items_without_an_answer_have_no_score(name: str):
    benchmark, items = _read(name)
    answers = {item.item_id: "yes" for item in items[::2]}
    assert set(benchmark.score_all(items, answers)) <= set(answers)
    counted = {name for unit in benchmark.units(items, answers) for name in unit.item_ids}
    assert counted <= set(answers)
    assert math.isnan(benchmark.headline(benchmark.units(items, {})))
    assert not any(math.isfinite(value) for value in benchmark.parts(items, {}).values())


def test_the_order_of_items_and_answers_changes_no_number(name: str):
    benchmark, items = _read(name)
    answers = {item.item_id: ODD_ANSWERS[number % len(ODD_ANSWERS)] for number, item in enumerate(items)}
    again = dict(reversed(answers.items()))
    shuffled = [items[position] for position in np.random.default_rng(0).permutation(len(items))]
    expected = benchmark.headline(benchmark.units(items, answers))
    assert 0 <= expected <= benchmark.maximum or math.isnan(expected)
    assert benchmark.headline(benchmark.units(shuffled, again)) == pytest.approx(expected, nan_ok=True)
    assert benchmark.parts(shuffled, again) == pytest.approx(benchmark.parts(items, answers), nan_ok=True)


def test_a_missing_empty_or_foreign_file_is_one_line(name: str, tmp_path):
    given = official.question_files(name)
    for content in (b"", b"\xff\xfe\x00", b"[]", b"{}", b"[1, 2]", b'{"questions": 3}', b"a\tb\n1\n", b"[" * 100_000):
        path = tmp_path / given.questions[0].name
        path.write_bytes(content)
        with pytest.raises(DatasetError) as refused:
            BENCHMARKS[name].read(Files(questions=(path, *given.questions[1:]), annotations=given.annotations))
        assert "\n" not in str(refused.value) and str(path) in str(refused.value)
    with pytest.raises(DatasetError, match="absent"):
        BENCHMARKS[name].read(Files(questions=(tmp_path / "random_absent.json",), annotations=given.annotations))
