"""NLVR and NLVR2 against their official scripts."""

import json

import pytest

from xmas_assets.evaluation.benchmarks.base import Files, Item
from xmas_assets.evaluation.benchmarks.nlvr import Nlvr1, Nlvr2
from xmas_assets_tests.golden import official


class AsGiven1(Nlvr1):
    """Scores predictions as the official script is given them, where "yes" is no word for true."""

    def prediction(self, answer: str) -> str:
        return answer


class AsGiven2(Nlvr2):
    """Likewise."""

    def prediction(self, answer: str) -> str:
        return answer


def _predictions(name: str) -> dict[str, str]:
    text = official.file("nlvr", f"{name}_predictions.csv").read_text(encoding="utf-8")
    rows = (line.strip().partition(",") for line in text.splitlines())
    return {name: prediction for name, _, prediction in rows}


@pytest.mark.parametrize("benchmark", [AsGiven1(), AsGiven2()], ids=["nlvr1", "nlvr2"])
def test_numbers_are_those_of_the_official_script(benchmark: Nlvr1 | Nlvr2):
    expected = official.read("nlvr", "expected.json")[benchmark.name]
    items, predictions = benchmark.read(official.question_files(benchmark.name)), _predictions(benchmark.name)
    assert len(items) == expected["n_judgements"]
    assert {item.item_id for item in items} <= set(predictions)
    assert benchmark.headline(benchmark.units(items, predictions)) == pytest.approx(100 * expected["accuracy"])
    assert benchmark.parts(items, predictions) == pytest.approx({"consistency": 100 * expected["consistency"]})


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [("true", True), ("True.", True), ("Yes", True), ("yes.", True), ("no", False), ("It is true", False), ("", False)],
)
def test_yes_is_true(answer: str, is_right: bool):
    item = Item(item_id="a", question="", prompt="", images=(), references=("True",))
    assert Nlvr2().score(item, answer) == is_right


@pytest.mark.parametrize(
    ("benchmark", "record", "image", "sentence"),
    [
        (Nlvr1(), {"identifier": "2354-1", "directory": "7"}, "7/dev-2354-1-0.png", "2354"),
        (Nlvr2(), {"identifier": "dev-850-2-1"}, "dev-850-2-img0.png", "dev-850-1"),
        (Nlvr2(), {"identifier": "train-85-2-1", "directory": 53}, "53/train-85-2-img0.png", "train-85-1"),
    ],
    ids=["nlvr1", "nlvr2", "nlvr2 training"],
)
def test_images_are_named_as_in_the_official_folders(
    benchmark: Nlvr1 | Nlvr2, record: dict[str, object], image: str, sentence: str, tmp_path
):
    path = tmp_path / "dev.json"
    path.write_text(json.dumps({"sentence": "There is a dog.", "label": "true"} | record))
    first = benchmark.read(Files(questions=(path,)))[0]
    assert (first.images[0], first.details["sentence"]) == (image, sentence)


@pytest.mark.parametrize("benchmark", [Nlvr1(), Nlvr2()], ids=["nlvr1", "nlvr2"])
def test_the_submission_has_one_line_for_each_judgement(benchmark: Nlvr1 | Nlvr2):
    items = benchmark.read(official.question_files(benchmark.name))
    said = dict.fromkeys((item.item_id for item in items), "Yes.") | {items[0].item_id: "no,\nnone"}
    lines = benchmark.submission(items, said)[1].decode().splitlines()
    assert lines == [f"{items[0].item_id},no none", *(f"{item.item_id},true" for item in items[1:])]
