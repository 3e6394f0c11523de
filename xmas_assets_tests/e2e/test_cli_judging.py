"""Benchmarks that a judge, people or a server scores, as a person uses them: three of them in two runs."""

import csv
import json
import os
from pathlib import Path
from unittest import mock

import polars as pl
import pytest

from xmas_assets.home.home import Home
from xmas_assets_tests.annotation.chat_server import KEY, Server, completion
from xmas_assets_tests.e2e.platforms import xmas

RUN = ("run", "shapes", "--method", "random", "--method", "full", "--budget", "0.2")
NAMES = ("vet", "owleval", "vqa_test")
SCORES = ("shapes|random_b0.20_s0", "shapes|full_b1.00_s0")


@pytest.fixture(scope="module")
def images(copied) -> tuple[Path, list[str]]:
    """The folder of a toy dataset's images, and some names below it."""
    registration = Home.open(copied).registration("shapes")
    rows = json.loads(registration.test[0].read_text(encoding="utf-8"))
    assert registration.images is not None
    return registration.images, [row["image"] for row in rows[:5]]


@pytest.fixture(scope="module")
def unscored(copied, images, tmp_path_factory) -> str:
    """What a run says whose benchmarks have neither judge nor ratings nor published answers."""
    folder = tmp_path_factory.mktemp("official")
    rows = {
        f"v1_{n}": {"imagename": image, "question": f"What is {n}?", "answer": "a circle", "capability": ["ocr"]}
        for n, image in enumerate(images[1])
    }
    (folder / "vet.json").write_text(json.dumps(rows), encoding="utf-8")
    lines = [{"question_id": n, "image": image, "question": f"Describe {n}."} for n, image in enumerate(images[1])]
    (folder / "owleval.json").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (folder / "images").mkdir()
    for n, image in enumerate(images[1][:3]):
        (folder / "images" / f"COCO_test2015_{n:012d}.jpg").write_bytes((images[0] / image).read_bytes())
    questions = [{"image_id": n, "question": f"What is {n}?", "question_id": 10 * n} for n in range(4)]
    content = {"data_subtype": "test2015", "questions": questions}
    (folder / "vqa_test.json").write_text(json.dumps(content), encoding="utf-8")
    for name, form, below in zip(
        NAMES, ("mmvet", "owleval", "vqav2"), (images[0],) * 2 + (folder / "images",), strict=True
    ):
        words = ("--form", form, "--questions", folder / f"{name}.json", "--images", below)
        assert xmas(copied, "benchmark", "add", name, *words).code == 0
    done = xmas(copied, *RUN, *(word for name in NAMES for word in ("--benchmark", name)))
    assert done.code == 0, done.err
    return done.err


def answers(home: Path, name: str, partition: str = SCORES[0]) -> dict[str, tuple[str, float]]:
    """Answer and score by item."""
    frame = Home.open(home).stored("benchmark_scores", partition)["benchmark_answers"].frame().filter(benchmark=name)
    return {item: (answer, score) for item, answer, score in frame.select("item_id", "answer", "score").iter_rows()}


def shards(home: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in home.glob("work/answers/*/*/shard-*")}


def test_what_is_not_scored_is_said_with_its_coverage_and_what_to_do(copied, unscored):
    expected = (
        "vet is not scored: no judge (5 questions, 100.0 % answered); name one: xmas benchmark judge vet --url",
        "owleval is not scored: no ratings (5 questions, 100.0 % answered); for raters: xmas benchmark sheet owleval",
        "vqa_test is not scored: no published answers (4 questions, 75.0 % answered); for its server: xmas benchmark",
    )
    printed = xmas(copied, "leaderboard", "shapes").err
    report = Home.open(copied).report("shapes").read_text(encoding="utf-8")
    for sentence in expected:
        assert sentence in unscored and sentence in printed and sentence in report
    assert answers(copied, "vet").keys() == {f"v1_{n}" for n in range(5)}
    assert {score for _, score in answers(copied, "vet").values()} == {None}


@pytest.mark.usefixtures("unscored")
def test_a_split_without_answers_gives_a_file_for_its_server(copied, tmp_path):
    out = tmp_path / "upload"
    command = ("benchmark", "submission", "vqa_test", "shapes", "random_b0.20_s0", "--out", out)
    made = xmas(copied, *command)
    assert made.out == f"4 answers in {out / 'vqav2_answers.json'}\n", made.err
    assert made.err.splitlines()[1] == "1 of them are empty, for the target gave none"
    rows = json.loads((out / "vqav2_answers.json").read_text(encoding="utf-8"))
    assert [row["question_id"] for row in rows] == [0, 10, 20, 30] and rows[3]["answer"] == ""
    assert xmas(copied, *command).code == 0
    (out / "vqav2_answers.json").write_text("mine")
    assert "was changed since it was exported" in xmas(copied, *command).message
    assert (out / "vqav2_answers.json").read_text() == "mine"
    never = ("benchmark", "submission", "vqa_test", "shapes", "random_b0.20_s7", "--out", out)
    assert xmas(copied, *never).message.endswith(
        "the target of random_b0.20_s7 was not asked vqa_test; materialize benchmark_scores in the UI, or run: "
        "xmas run shapes --method random --budget 0.20 --seeds 8 --benchmark vqa_test"
    )


def rate(home: Path, sheet: Path) -> list[dict[str, str]]:
    """Anna gives A to all, Ben D to the last question; the rows of the sheet."""
    text = sheet.read_text(encoding="utf-8")
    assert not any(word in text for word in ("random", "full", "b0.20"))
    rows = list(csv.DictReader(text.splitlines()))
    for rater, letters in (("anna", "AA"), ("ben", "AD")):
        with sheet.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(row | {"rating": letters[row["question"] == "Describe 4."]} for row in rows)
        again = xmas(home, "benchmark", "sheet", "owleval", "shapes", sheet)
        assert "is not this sheet as it was written" in again.message
        taken = xmas(home, "benchmark", "ratings", "owleval", "shapes", sheet, "--rater", rater)
        assert taken.out == f"{len(rows)} ratings by {rater}, {len(rows)} of {len(rows)} answers are rated\n", taken.err
    return rows


def says(number, body):
    """The first question has no reply that can be read, the second is right, all others half right."""
    prompt = body["messages"][-1]["content"]
    said = "I cannot say." if "What is 0?" in prompt else "1.0" if "What is 1?" in prompt else "0.5 or so"
    return 200, {}, json.dumps(json.loads(completion(said)) | {"model": "judge-0613"})


def test_a_judge_and_people_score_the_answers_that_are_there(copied, unscored, tmp_path, caplog):
    asked = shards(copied)
    written = xmas(copied, "benchmark", "sheet", "owleval", "shapes", tmp_path / "sheet.csv")
    assert written.code == 0, written.err
    rate(copied, tmp_path / "sheet.csv")
    more = xmas(copied, "benchmark", "sheet", "owleval", "shapes", tmp_path / "more.csv", "--rater", "anna")
    assert "anna has rated every answer" in more.message
    with mock.patch.dict(os.environ, {"JUDGE_KEY": KEY}), Server(says) as server:
        words = ("--url", server.url, "--model", "judge", "--key-variable", "JUDGE_KEY", "--runs", "2")
        assert xmas(copied, "benchmark", "judge", "vet", *words).code == 0
        done = xmas(copied, *RUN)
        assert done.code == 0, done.err
    assert shards(copied) == asked
    said = {(item, answer) for partition in SCORES for item, (answer, _) in answers(copied, "vet", partition).items()}
    assert len(server.requests) == 2 * sum(5 if item == "v1_0" else 1 for item, _ in said)
    host = server.url.removeprefix("http://")
    assert f"vet is scored by judge at {host}, prompt 1, replied as judge-0613 (5 questions, 100.0 %" in done.err
    assert "4 of 20 replies could not be read." in done.err
    assert "owleval is scored by people (5 questions, 100.0 % answered): 0 of 20" in done.err
    assert [score for _, score in answers(copied, "vet").values()] == [0.0, 1.0, 0.5, 0.5, 0.5]
    assert [score for _, score in answers(copied, "owleval").values()] == [1.0, 1.0, 1.0, 1.0, 0.5]
    board = Home.open(copied).stored("leaderboard", "shapes")
    compared = board["benchmark_selections"].frame().filter(pl.col("benchmark").is_in(NAMES))
    headlines = compared.select("benchmark", "method", "headline").rows()
    assert sorted(headlines) == [
        (name, method, value) for name, value in (("owleval", 90.0), ("vet", 50.0)) for method in ("full", "random")
    ]
    judged = board["judged_scores"].frame().unique(["benchmark"], maintain_order=True).sort("benchmark")
    # Anna's total is 100, Ben's 80; nine ratings of 1 and one of 0, which differ on one answer of five.
    assert judged.select("benchmark", "n_runs", "total", "std", "n_unread").rows() == [
        ("owleval", 2, 90.0, 10.0, 0),
        ("vet", 2, 50.0, 0.0, 2),
    ]
    assert judged["agreement"].to_list() == pytest.approx([0.0, 1.0])
    everything = [path.read_bytes() for path in copied.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in content for content in everything)
    assert KEY not in unscored + done.err + done.out + caplog.text


@pytest.mark.usefixtures("unscored")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["vet"], "give --url and --model of an endpoint, --model of a local model, or --nobody"),
        (
            ["vet", "--url", "http://me:secret@host/v1", "--model", "m"],
            "judge.endpoint.url: give http(s)://HOST/v1 with no key in it",
        ),
        (["vet", "--url", "http://h/v1", "--model", "m", "--key-variable", "sk-secret"], "give the name of a variable"),
        (["absent", "--model", "m"], "benchmark 'absent' is not registered"),
        (["vqa_test", "--model", "m"], "vqa_test is scored without a judge; a judge scores mmvet, llavabench, owleval"),
    ],
)
def test_a_judge_that_cannot_be_is_one_line(copied, words, message):
    said = xmas(copied, "benchmark", "judge", *words)
    assert said.code == 2 and message in said.err.splitlines()[-1] and "secret" not in said.err
