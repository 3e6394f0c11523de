"""MM-Vet against its evaluator, which asked a judge whose replies are kept."""

import math

import pytest

from xmas_assets.evaluation.benchmarks.base import Files, Item
from xmas_assets.evaluation.benchmarks.mmvet import Mmvet
from xmas_assets_tests.golden import official

MMVET = Mmvet()
RUNS = [name for name in official.read("mmvet", "expected.json") if name.endswith("_runs")]


def _read(runs: str) -> list[Item]:
    return MMVET.read(Files(questions=(official.file("mmvet", f"mm-vet_{runs.replace('_', '')}.json"),)))


def _settled(runs: str) -> dict[str, list[tuple[str, int]]]:
    """The reply that counts and how many were given, by item, per run."""
    replies = official.read("mmvet", f"judge_replies_{runs.replace('_', '')}.json")
    return {name: [MMVET.settled_reply(of_run) for of_run in of_item] for name, of_item in replies.items()}


def _official_calls(reply: str, n_asked: int) -> int:
    """The official evaluator calls once more after the last unreadable reply, and ignores what comes."""
    return n_asked if MMVET.reply_is_readable(reply) else n_asked + 1


@pytest.mark.parametrize("runs", RUNS)
def test_replies_are_asked_for_and_scored_as_by_the_official_evaluator(runs: str):
    expected = official.read("mmvet", "expected.json")[runs]
    items = {item.item_id: item for item in _read(runs)}
    settled = _settled(runs)
    assert set(settled) == set(items)
    for name, of_item in settled.items():
        assert [MMVET.score(items[name], reply) for reply, _ in of_item] == expected["scores"][name]
        assert sum(_official_calls(reply, n_asked) for reply, n_asked in of_item) == expected["calls"][name]


@pytest.mark.parametrize("runs", RUNS)
def test_tables_are_those_of_the_official_evaluator(runs: str):
    expected = official.read("mmvet", "expected.json")[runs]
    items, settled = _read(runs), _settled(runs)
    n_runs = len(next(iter(settled.values())))
    replies = [{name: of_item[run][0] for name, of_item in settled.items()} for run in range(n_runs)]
    wanted = {}
    for prefix, table in (("capability", "capability"), ("integration", "capability_integration")):
        for name, value in expected[table].items():
            if name in ("total", "std"):
                wanted[name] = value
            elif name != "runs":
                wanted[f"{prefix}/{name}"] = value
    assert MMVET.over_runs(items, replies) == pytest.approx(wanted, abs=0.0501)
    totals = [MMVET.headline(MMVET.units(items, of_run)) for of_run in replies]
    assert totals == pytest.approx(expected["capability"]["runs"], abs=0.0501)


def test_reply_cases_are_read_as_by_the_official_evaluator():
    item = _read(RUNS[0])[0]
    for case in official.read("mmvet", "expected.json")["reply_cases"]:
        reply, n_asked = MMVET.settled_reply(case["replies"])
        assert MMVET.score(item, reply) == case["score"], case
        assert _official_calls(reply, n_asked) == case["calls"], case


def test_a_reply_that_would_make_every_mean_nan_is_asked_again():
    assert MMVET.settled_reply(["nan", "0.4"]) == ("0.4", 2)
    assert not math.isnan(MMVET.score(_read(RUNS[0])[0], "nan"))
