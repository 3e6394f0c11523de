"""What a judge said is kept: nothing is asked twice, however a run was ended, and another judge is asked anew."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from unittest import mock

import polars as pl
import pytest
from PIL import Image

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.data.benchmark_registration import BenchmarkRegistration
from xmas_assets.evaluation.benchmarks.registry import benchmark_named
from xmas_assets.home.home import Home
from xmas_assets.home.versions import benchmarks_version, items_version
from xmas_assets.stages.benchmarks import benchmark_items, items_of
from xmas_assets.stages.judging import item_scores, judge_replies
from xmas_assets_tests.annotation.chat_server import KEY, Server, completion

N_ITEMS = 6
PROGRAM = """
import sys
from xmas_assets_tests.stages.test_judging import judge
judge(sys.argv[1])
"""


@pytest.fixture
def home(tmp_path) -> Path:
    """A home in which MM-Vet is registered, with six questions."""
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    rows = {
        f"v1_{n}": {"imagename": "a.png", "question": f"What is {n}?", "answer": "x", "capability": ["ocr"]}
        for n in range(N_ITEMS)
    }
    (tmp_path / "vet.json").write_text(json.dumps(rows), encoding="utf-8")
    registration = BenchmarkRegistration.create("vet", [tmp_path / "vet.json"], images=tmp_path, form="mmvet")
    registration.save(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def key():
    with mock.patch.dict(os.environ, {"JUDGE_KEY": KEY}):
        yield


def set_judge(home: Path, server: Server, *, n_runs: int = 1, model: str = "judge", **endpoint) -> None:
    fields = {"url": server.url, "model": model, "key_variable": "JUDGE_KEY", "n_parallel": 1, "backoff_seconds": 0}
    Home.open(home).benchmarks.set_judge("vet", {"endpoint": fields | {"n_attempts": 2} | endpoint, "n_runs": n_runs})


def judge(home: str | Path, said: str = "a square") -> pl.DataFrame:
    """The replies to a target that always says the same."""
    opened = Home.open(home)
    items = items_of(benchmark_items(opened, "vet"))
    answers = {item.item_id: said for item in items}
    return judge_replies(opened, "vet", items, answers, base=BaseModelSettings(), progress=lambda done: None)


def prompts(server: Server) -> list[str]:
    return [body["messages"][-1]["content"] for _, _, body in server.requests]


def half_right(number, body):
    return 200, {}, completion("0.5")


def test_nothing_is_asked_twice_but_of_another_judge_in_another_run_or_about_another_answer(home):
    with Server(half_right) as server:
        set_judge(home, server)
        first = judge(home)
        assert len(server.requests) == N_ITEMS
        set_judge(home, server, timeout_seconds=7.0)
        assert judge(home).equals(first)
        assert len(server.requests) == N_ITEMS
        set_judge(home, server, n_runs=3)
        assert judge(home)["run"].unique(maintain_order=True).to_list() == ["0", "1", "2"]
        assert len(server.requests) == 3 * N_ITEMS
        set_judge(home, server)
        judge(home, "a circle")
        assert len(server.requests) == 4 * N_ITEMS
        set_judge(home, server, model="other")
        judge(home)
        assert len(server.requests) == 5 * N_ITEMS
    assert len(list(home.glob("work/judging/*/*/*.parquet"))) == 2  # of each judge, put together


def test_kept_replies_need_neither_key_nor_endpoint(home):
    with Server(half_right) as server:
        set_judge(home, server)
        first = judge(home)
    del os.environ["JUDGE_KEY"]
    assert judge(home).equals(first)


def test_unreadable_replies_are_asked_for_again_warmer_and_counted(home):
    huge = completion("1.0 " + "x" * 2**21)

    def says(number, body):
        prompt = body["messages"][-1]["content"]
        if "What is 0?" in prompt:
            return 200, {}, huge
        if "What is 1?" in prompt:
            return 200, {}, completion("0.75") if body["temperature"] == 1.0 else "not json"
        return half_right(number, body)

    with Server(says) as server:
        set_judge(home, server)
        found = judge(home)
    assert found.select("reply", "is_read", "n_asked").rows()[:3] == [
        ("", False, 5),
        ("0.75", True, 4),
        ("0.5", True, 1),
    ]
    # As mm-vet_evaluator.py asks: first again with the other prompt, then warmer each time.
    assert [body["temperature"] for _, _, body in server.requests[:5]] == [0.0, 0.0, 0.5, 1.0, 1.5]
    assert ["(digit)" in prompt for prompt in prompts(server)[5:9]] == [False, True, True, True]
    opened = Home.open(home)
    items = items_of(benchmark_items(opened, "vet"))
    scores = item_scores(benchmark_named("mmvet"), items, {item.item_id: "a square" for item in items}, found)
    assert list(scores.values()) == [0.0, 0.75, 0.5, 0.5, 0.5, 0.5]


@pytest.mark.parametrize("status", [400, 401, 503])
def test_an_endpoint_that_fails_is_one_line_and_what_it_said_is_kept(home, status):
    def fails_after_two(number, body):
        return half_right(number, body) if number < 2 else (status, {}, f"no, {KEY}")

    with Server(fails_after_two) as server:
        set_judge(home, server)
        with pytest.raises(ModelError, match=str(status)) as failed:
            judge(home)
        assert "\n" not in str(failed.value) and KEY not in str(failed.value)
        answered, n_before = Counter(prompts(server)[:2]), len(server.requests)
        server._script = half_right
        assert judge(home)["reply"].to_list() == ["0.5"] * N_ITEMS
        again = Counter(prompts(server)[n_before:])
    assert not answered & again and len(again) == N_ITEMS - 2


def test_a_kill_loses_only_what_is_under_way(home):
    resumed: list[bool] = []

    def hangs_at_the_fourth(number, body):
        if number >= 3 and not resumed:
            time.sleep(60)
        return half_right(number, body)

    with Server(hangs_at_the_fourth) as server:
        set_judge(home, server)
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(home)])
        while len(server.requests) < 4 and process.poll() is None:
            time.sleep(0.02)
        assert KEY not in Path(f"/proc/{process.pid}/cmdline").read_text()
        process.send_signal(signal.SIGKILL)
        process.wait()
        resumed.append(True)
        assert judge(home)["reply"].to_list() == ["0.5"] * N_ITEMS
        asked = Counter(prompts(server))
    assert sorted(asked.values()) == [1] * (N_ITEMS - 1) + [2]
    assert not any(KEY.encode() in path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_a_judge_changes_the_version_of_scores_and_not_that_of_questions(home):
    opened = Home.open(home)
    registration = opened.benchmarks.registration("vet")
    before = benchmarks_version(opened, ["vet"]), items_version(opened, "vet")
    assert before[0] == before[1]
    assert "judge" not in json.loads(registration.model_dump_json())
    opened.benchmarks.set_judge("vet", {"endpoint": {"url": "http://host/v1", "model": "m"}})
    assert benchmarks_version(opened, ["vet"]) != before[0]
    assert items_version(opened, "vet") == before[1]
    opened.benchmarks.set_judge("vet", None)
    assert (benchmarks_version(opened, ["vet"]), items_version(opened, "vet")) == before
