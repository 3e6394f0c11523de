"""What holds for every benchmark, on the official files that are kept for it."""

import copy
import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


def test_items_whose_right_answer_is_not_published_have_no_score(name: str):
    benchmark, items = _read(name)
    unlabelled = [dataclasses.replace(item, references=()) for item in items]
    answers = {item.item_id: "yes" for item in unlabelled}
    if not any(map(benchmark.is_scored, unlabelled)):
        assert benchmark.score_all(unlabelled, answers) == {}
        assert math.isnan(benchmark.headline(benchmark.units(unlabelled, answers)))
        assert not any(math.isfinite(value) for value in benchmark.parts(unlabelled, answers).values())


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


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each place in a JSON value, as container and key; of lists and of objects by id only the first element."""
    keys = list(value) if isinstance(value, dict) else [0] if isinstance(value, list) and value else []
    for key in keys if len(keys) < 20 else keys[:1]:
        yield value, key
        yield from _places(value[key])


def _changed(text: str) -> Iterator[str]:
    """A JSON file, or JSON lines, with one value missing or another."""
    try:
        value, rest = json.loads(text), ""
    except json.JSONDecodeError:
        head, _, rest = text.partition("\n")
        value = json.loads(head)
    for container, key in list(_places(value)):
        before = copy.copy(container)
        for other in (None, 7, "", [], {"a": 1}):
            container[key] = other
            yield f"{json.dumps(value)}\n{rest}"
        del container[key]
        yield f"{json.dumps(value)}\n{rest}"
        container.clear()
        (container.update if isinstance(container, dict) else container.extend)(before)


def _with(files: Files, path: Path, *, instead_of: Path) -> Files:
    questions = tuple(path if given == instead_of else given for given in files.questions)
    return Files(questions=questions, annotations=path if files.annotations == instead_of else files.annotations)


def test_a_changed_record_is_refused_in_one_line_or_read(name: str, tmp_path):
    given = official.question_files(name)
    paths = [path for path in (given.questions[0], given.annotations) if path and path.suffix.startswith(".json")]
    for path in paths:
        n_refused = 0
        for text in _changed(path.read_text(encoding="utf-8")):
            (tmp_path / path.name).write_text(text, encoding="utf-8")
            try:
                items = BENCHMARKS[name].read(_with(given, tmp_path / path.name, instead_of=path))
            except DatasetError as error:
                n_refused += 1
                assert "\n" not in str(error)
            else:
                assert all(item.item_id and item.prompt for item in items)
        assert n_refused > 0
