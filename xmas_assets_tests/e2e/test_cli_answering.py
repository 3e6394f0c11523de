"""What is said of answers that are cut and of questions that are not asked: before training and beside the scores."""

import json
import shutil
from pathlib import Path

import mlflow
import pytest
import yaml
from PIL import Image

from xmas_assets.evaluation.likelihood import likeliest_options
from xmas_assets.home.home import Home
from xmas_assets_tests.e2e.platforms import Said, xmas
from xmas_assets_tests.e2e.test_cli_benchmarks import write_pope

KEY = "shapes|random_b0.20_s0"


def write_seedbench(folder: Path, image: Path) -> list[str | Path]:
    """A file in SEED-Bench's official form of three questions, each on a copy of an image; the words that name it."""
    (folder / "SEED-Bench-image").mkdir()
    for number in range(3):
        shutil.copy(image, folder / "SEED-Bench-image" / f"{number}.png")
    rows = [
        {"question_id": n, "question_type_id": 1, "data_type": "image", "data_id": f"{n}.png", "answer": "A"}
        | {"question": f"What is {n}?", "choice_a": "red", "choice_b": "blue", "choice_c": "3", "choice_d": "yes"}
        for n in range(3)
    ]
    content = {"question_type": {"Scene": 1}, "questions": rows}
    (folder / "SEED-Bench.json").write_text(json.dumps(content), encoding="utf-8")
    return ["--questions", folder / "SEED-Bench.json", "--images", folder]


@pytest.fixture(scope="module")
def cut(copied, tmp_path_factory) -> tuple[Path, Said]:
    """A home where answers end after one token, that of a benchmark too; one of its five images is not there."""
    home, folder = Home.open(copied), tmp_path_factory.mktemp("pope")
    registration = home.registration("shapes")
    records = json.loads(registration.test[0].read_text(encoding="utf-8"))
    words = write_pope(folder, images=[*(row["image"] for row in records[:4]), "absent.png"], n_questions=10)
    images = str(registration.images)
    assert xmas(copied, "benchmark", "add", "balls", *words, "--images", images, "--max-new-tokens", "1").code == 0
    words = write_seedbench(folder, Path(images) / records[0]["image"])
    assert xmas(copied, "benchmark", "add", "seedbench", *words, "--answering", "likelihood").code == 0
    path = home.registration_path("shapes")
    fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    fields["overrides"]["benchmark"]["max_new_tokens"] = 1
    path.write_text(yaml.safe_dump(fields), encoding="utf-8")
    words = ("--method", "random", "--budget", "0.2", "--benchmark", "balls", "--benchmark", "seedbench")
    done = xmas(copied, "run", "shapes", *words)
    assert done.code == 0, done.err
    return copied, done


@pytest.mark.slow
def test_a_setting_that_must_cut_right_answers_is_said_before_training(cut):
    home, done = cut
    said = done.err.splitlines()
    own = next(line for line in said if "test questions of shapes" in line)
    assert own.startswith("answers end after 1 tokens, so 60 of 60 test questions of shapes cannot be answered right")
    assert own.endswith("set benchmark.max_new_tokens of shapes to 2 or more")
    registered = home / "benchmarks" / "balls.yaml"
    assert f"set max_new_tokens in {registered} to 2 or more" in done.err
    assert said.index(own) < next(n for n, line in enumerate(said) if "selections to run" in line)


def test_cut_answers_and_questions_that_were_not_asked_are_beside_the_score(cut):
    home, done = cut
    stored = Home.open(home).stored("leaderboard", "shapes")["answering"].frame()
    rows = {(row["benchmark"], row["method"]): row for row in stored.iter_rows(named=True)}
    balls = rows["balls", "random"]
    assert (balls["n_questions"], balls["n_answered"], balls["not_asked"]) == (10, 8, "image_missing 2")
    assert (balls["n_cut"], balls["longest_answer"], balls["n_references_cut"]) == (8, 1, 8)
    assert 0 < rows[None, "random"]["n_cut"] <= 60
    report = Home.open(home).report("shapes").read_text(encoding="utf-8")
    for sentence in (
        "balls: 8 of 10 questions were answered (80.0 %); the others have no score, not 0 (image_missing 2): "
        "random at 20 %.",
        "balls: answers cut at 1 tokens, over all seeds: random at 20 % 8.",
        "balls: the right answers to 8 questions are longer than answers could be (the longest has 2 tokens)",
        f"Own test questions: answers cut at 1 tokens, over all seeds: random at 20 % {rows[None, 'random']['n_cut']}.",
    ):
        assert sentence in done.err and sentence in report
    assert Home.open(home).stored("benchmark_scores", KEY)["benchmark_answers"].frame()["score"].null_count() == 2


def test_where_options_are_ranked_the_answer_is_a_letter_and_it_is_said(cut):
    home, done = cut
    answers = Home.open(home).stored("benchmark_scores", KEY)["benchmark_answers"].frame().filter(benchmark="seedbench")
    assert len(answers) == 3 and set(answers["answer"]) <= set("ABCD")
    assert answers["score"].to_list() == [float(letter == "A") for letter in answers["answer"]]
    said = "seedbench: the option that a model finds most likely is its answer; it says nothing itself."
    assert said in done.err.splitlines()
    assert said in Home.open(home).report("shapes").read_text(encoding="utf-8")


def test_mlflow_has_coverage_and_cut_answers_as_metrics(cut):
    home, _ = cut
    client = mlflow.MlflowClient(f"sqlite:///{home}/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("shapes")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    metrics = next(run.data.metrics for run in runs if run.info.run_name == "train random_b0.20_s0")
    assert (metrics["coverage"], metrics["coverage/balls"], metrics["answers_cut/balls"]) == (1, 0.8, 8)


@pytest.mark.slow
def test_an_image_that_changed_is_noticed_and_only_its_question_is_asked_again(cut, monkeypatch):
    home, _ = cut
    run = ("run", "shapes", "--method", "random", "--budget", "0.2")
    asked = []

    def ask(vlm, samples, *rest, **options):
        asked.extend(sample.sample_id for sample in samples)
        return likeliest_options(vlm, samples, *rest, **options)

    monkeypatch.setattr("xmas_assets.evaluation.likelihood.likeliest_options", ask)
    monkeypatch.setattr("xmas_assets.evaluation.runner.ask", None)  # no question of others is asked
    images = Home.open(home).benchmarks.registration("seedbench").images
    assert images is not None
    (images / "SEED-Bench-image" / "2.png").touch()
    assert xmas(home, *run).code == 0 and asked == []
    Image.new("RGB", (32, 32), "red").save(images / "SEED-Bench-image" / "1.png")
    before = Home.open(home).stored("benchmark_scores", KEY)["benchmark_answers"].frame()
    done = xmas(home, *run)
    assert done.code == 0, done.err
    assert asked == ["1"]
    after = Home.open(home).stored("benchmark_scores", KEY)["benchmark_answers"].frame()
    changed = [
        item
        for item, was, now in zip(before["item_id"], before["image_hash"], after["image_hash"], strict=True)
        if was != now
    ]
    assert changed == ["1"]


def test_a_familys_prompt_that_is_not_published_is_refused_before_anything_is_asked(cut, tmp_path):
    home, _ = cut
    images = Home.open(home).registration("shapes").images
    records = json.loads(Home.open(home).registration("shapes").test[0].read_text(encoding="utf-8"))
    words = write_pope(tmp_path, images=[records[0]["image"]], n_questions=2)
    added = xmas(home, "benchmark", "add", "own", *words, "--images", str(images), "--prompt-style", "family")
    assert added.code == 0, added.err
    refused = xmas(home, "run", "shapes", "--method", "random", "--budget", "0.2", "--benchmark", "own")
    assert refused.code == 2
    assert "no prompt of llava's own for pope is known, only of qwen2_vl" in refused.err.splitlines()[-1]
