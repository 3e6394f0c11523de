"""What models are told of a benchmark's items, as its registration says."""

import json
from pathlib import Path

import pytest

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.data.benchmark_registration import BenchmarkRegistration
from xmas_assets.home.home import Home
from xmas_assets.home.versions import benchmarks_version
from xmas_assets.stages.benchmarks import asked_samples, benchmark_items
from xmas_assets_tests.e2e.platforms import row, write_dataset

QUESTION = "What is it?"
LETTERED = f"{QUESTION}\nA. a\nB. b\nC. c\nD. d\nAnswer with the option's letter from the given choices directly."


@pytest.fixture
def home(tmp_path) -> Home:
    """With the files of a SEED-Bench of one question, not registered."""
    folder = tmp_path / "seed"
    write_dataset(folder / "SEED-Bench-image", [row(0)])
    question = {"question_id": 1, "question_type_id": 1, "data_type": "image", "data_id": "0.png", "answer": "B"}
    question |= {"question": QUESTION} | {f"choice_{letter}": letter for letter in "abcd"}
    content = {"question_type": {"Scene": 1}, "questions": [question]}
    (folder / "SEED-Bench.json").write_text(json.dumps(content), encoding="utf-8")
    return Home.open(tmp_path / "home")


def register(home: Home, form: str = "seedbench", **fields) -> BenchmarkRegistration:
    folder = home.root.parent / "seed"
    made = BenchmarkRegistration.create("seed", [folder / "SEED-Bench.json"], form=form, images=folder, **fields)
    home.benchmarks.check_new(made)
    made.save(home.root)
    return home.benchmarks.registration("seed")


@pytest.mark.parametrize(
    ("fields", "family", "told"),
    [
        ({}, "llava", LETTERED),
        ({"answering": "likelihood"}, "llava", QUESTION),
        ({"prompt": "Look. {prompt}", "answering": "likelihood"}, "llava", f"Look. {QUESTION}"),
        (
            {"prompt_style": "family"},
            "qwen2_vl",
            f"Question: {QUESTION}\nOptions:\nA. a\nB. b\nC. c\nD. d\n"
            "Please select the correct answer from the options above.",
        ),
    ],
)
def test_a_model_is_told_what_the_registration_says(home, fields, family, told):
    registration = register(home, **fields)
    (sample,) = asked_samples(benchmark_items(home, "seed"), registration, family=family)
    assert [(turn.role, turn.text) for turn in sample.turns] == [("user", f"<image>\n{told}"), ("assistant", "")]


def test_a_registration_of_before_keeps_its_version(home):
    register(home)
    path = home.benchmarks.registration_path("seed")
    version = benchmarks_version(home, ["seed"])
    assert "answering" not in path.read_text(encoding="utf-8")
    written = path.read_text(encoding="utf-8") + "answering: generate\nprompt_style: llava\n"
    path.write_text(written, encoding="utf-8")
    assert benchmarks_version(home, ["seed"]) == version
    path.write_text(written.replace("generate", "likelihood"), encoding="utf-8")
    assert benchmarks_version(home, ["seed"]) != version


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"form": "pope", "answering": "likelihood"},
            "not defined by the likelihood of options, only seedbench",
        ),
        ({"answering": "likelihood", "max_new_tokens": 4}, "likelihood ranks given options"),
        ({"answering": "likelihood", "prompt_style": "family"}, "likelihood ranks given options"),
        ({"answering": "guess"}, "answering: Input should be 'generate' or 'likelihood'"),
    ],
)
def test_a_way_to_answer_that_does_not_fit_is_refused(home, fields, message):
    with pytest.raises(SettingsError, match=message):
        register(home, **fields)
    assert not Path(home.root / "benchmarks").exists()
