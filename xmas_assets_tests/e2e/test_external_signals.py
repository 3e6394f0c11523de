"""External signals, and the methods that choose by them, through the assets on a small dataset."""

import json
import re

import numpy as np
import pytest
import yaml

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.home.home import Home
from xmas_assets.orchestration.platform import RunFailedError
from xmas_assets.orchestration.selection_runs import bring_up_to_date, run_selections
from xmas_assets_tests.annotation.chat_server import KEY, Server, completion
from xmas_assets_tests.e2e.platforms import keys, open_platform, table_bytes, write_dataset, xmas

N_ROWS = 14
TEXT_ONLY = (3, 9)
TAGS = {0: ["colour", "count"], 1: "Count, shape", 2: ["colour"], 5: ["colour", "count", "shape", "OCR"]}
QUICK = {
    "difficulty": {"batch_size": 4, "micro_batch_size": 4, "threads": 1},
    "clip": {"shard_size": 5},
    "tags": {"source": "column", "column": "topics"},
}
NOBODY = {"url": "http://127.0.0.1:9/v1", "model": "judge", "key_variable": "JUDGE_KEY"}


def record(number: int) -> dict:
    turns = [{"from": "human", "value": "what is it"}, {"from": "gpt", "value": "noise " * (number + 1)}]
    image = {} if number in TEXT_ONLY else {"image": f"{number % 4}.png"}
    turns[0]["value"] += "\n<image>" if image else ""
    return {"id": f"r{number:02}", **image, "conversations": turns, "topics": TAGS.get(number, [])}


def change(home, **sections) -> None:
    path = home / "datasets" / "ds.yaml"
    fields = yaml.safe_load(path.read_text())
    fields["overrides"] = fields["overrides"] | sections
    path.write_text(yaml.safe_dump(fields))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("external")
    words = write_dataset(folder / "source", [record(number) for number in range(N_ROWS)])
    assert xmas(folder / "home", "dataset", "add", "ds", *words).code == 0
    change(folder / "home", **QUICK)
    return folder / "home"


@pytest.fixture(scope="module")
def ratings(home):
    (home / "half.txt").write_text("\n".join(f"r{number:02}" for number in range(7)))
    (home / "rest.txt").write_text("\n".join(f"r{number:02}" for number in range(7, 14)))
    path = home / "ratings.csv"
    path.write_text("subset,rating\nhalf.txt,0.25\nrest.txt,0.75\n")
    return path


def select(home, *names: str) -> dict[str, list[int]]:
    chosen = [f"{name}_b0.50_s0" for name in names]
    run_selections(open_platform(home), "ds", keys(*chosen), stages=("selected_subset",), say=lambda line: None)
    return {
        name: Home.open(home).stored("selected_subset", f"ds|{key}")["subset"].column("row").tolist()
        for name, key in zip(names, chosen, strict=True)
    }


@pytest.mark.slow
def test_every_method_that_needs_no_proxy_selects_and_none_is_trained(home):
    rows = select(home, "length", "clip_score", "self_filter", "instag")
    assert {name: len(chosen) for name, chosen in rows.items()} == dict.fromkeys(rows, 7)
    platform = open_platform(home)
    assert not platform.home.is_stored("proxy_checkpoints", "ds")
    # Row n has n + 1 words of answer, so the longest answers are the last rows.
    assert rows["length"] == [7, 8, 9, 10, 11, 12, 13]
    # Tagged are 0, 1, 2, 5; of the untagged the lowest fill up. Round 1 is row 5, which has all tags.
    assert rows["instag"] == [0, 1, 2, 3, 4, 5, 6]
    tags = platform.home.stored("tags", "ds")["tags"].frame()
    assert tags["tags"].to_list()[:3] == [["colour", "count"], ["count", "shape"], ["colour"]]
    embeddings = platform.home.stored("clip_embeddings", "ds")["clip_embeddings"]
    assert np.flatnonzero(np.isnan(embeddings.column("score"))).tolist() == list(TEXT_ONLY)
    difficulty = platform.home.stored("difficulty_scores", "ds")["difficulty_scores"].column("difficulty")
    assert len(set(difficulty.tolist())) > N_ROWS / 2


def test_running_again_computes_nothing_and_changes_nothing(home):
    select(home, "clip_score")
    before = table_bytes(home)
    times = {path: (home / path).stat().st_mtime_ns for path in before}
    select(home, "clip_score")
    assert {path: (home / path).stat().st_mtime_ns for path in before} == times


def test_methods_that_lack_what_you_must_give_are_refused_with_what_it_is(home):
    change(home, tags={})
    wanted = r"a column of the dataset, or asked of a chat model .*; set tags\.source to column, endpoint or model"
    with pytest.raises(SettingsError, match=wanted):
        select(home, "instag", "length")
    with pytest.raises(SettingsError, match=r"which you must provide; set quality\.ratings to a CSV file"):
        select(home, "instruction_gpt4")
    platform = open_platform(home)
    platform.observe("ds")
    with pytest.raises(RunFailedError, match=f"^tags of ds: .*{wanted}"):  # as from the UI
        platform.materialize(["tags"], "ds")
    assert not Home.open(home).is_stored("quality_indicators", "ds")
    change(home, **QUICK)


def test_rows_are_chosen_by_ratings_and_the_judge_is_asked_once_about_rows_with_an_image(home, ratings, monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", KEY)
    with Server(lambda number, body: (200, {}, completion(json.dumps({"score": number % 100})))) as server:
        judge = {"url": server.url, "model": "judge", "key_variable": "JUDGE_KEY", "n_parallel": 1}
        change(home, quality={"ratings": str(ratings), "endpoint": judge, "shard_size": 5})
        rows = select(home, "instruction_gpt4")["instruction_gpt4"]
        assert len(rows) == 7
        assert len(server.requests) == N_ROWS - len(TEXT_ONLY)
        change(home, quality={"ratings": str(ratings), "endpoint": judge | {"timeout_seconds": 5}, "shard_size": 5})
        select(home, "instruction_gpt4")
        assert len(server.requests) == N_ROWS - len(TEXT_ONLY)
    values = Home.open(home).stored("quality_indicators", "ds")["quality_indicators"].column("values")
    with_image = [number for number in range(N_ROWS) if number not in TEXT_ONLY]
    assert values[with_image, 2].tolist() == list(range(12))  # the judge's answers, in the order it was asked
    assert np.isnan(values[list(TEXT_ONLY)]).all()
    assert not [path for path in home.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("instag", {"tags": {"source": "endpoint", "endpoint": NOBODY}}, "key_variable names is not set"),
        (
            "instruction_gpt4",
            {"quality": {"ratings": "ratings.csv", "endpoint": NOBODY}},
            "key_variable names is not set",
        ),
        ("instruction_gpt4", {"quality": {"ratings": "nowhere.csv"}}, "nowhere.csv cannot be read as CSV"),
    ],
)
def test_a_key_or_file_that_is_not_there_is_refused_before_any_work(
    home, ratings, monkeypatch, method, settings, message
):
    """Not even ``random``, which needs nothing, is begun."""
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    monkeypatch.chdir(home)
    change(home, **settings)
    before = sorted((home / "work").rglob("*"))
    answer = xmas(home, "select", "ds", "--method", method, "--method", "random", "--budget", "0.1")
    assert re.search(message, answer.message)
    assert sorted((home / "work").rglob("*")) == before
    change(home, **QUICK, quality={})


def test_an_edited_file_of_ratings_makes_what_is_read_from_it_stale(home, ratings):
    change(home, quality={"ratings": str(ratings)})
    platform = open_platform(home)
    bring_up_to_date(platform, "ds", "quality_ratings", say=lambda line: None)
    assert platform.stale(["raw_dataset", "quality_ratings"], "ds") == []
    ratings.write_text(ratings.read_text().replace("0.75", "0.5"))
    platform.observe("ds")
    assert platform.stale(["raw_dataset", "quality_ratings"], "ds") == ["quality_ratings"]
    bring_up_to_date(platform, "ds", "quality_ratings", say=lambda line: None)
    assert platform.home.stored("quality_ratings", "ds")["quality_ratings"].column("rating").tolist() == [0.25, 0.5]
