"""ChartQA against the script of pix2struct."""

import json

import pytest

from xmas_assets.evaluation.benchmarks.chartqa import Chartqa, is_close
from xmas_assets_tests.golden import official

CHARTQA = Chartqa()


def test_verdicts_and_accuracies_are_those_of_the_script():
    expected = official.read("chartqa", "expected.json")
    items = CHARTQA.read(official.question_files("chartqa"))
    predictions = {row["imgname"]: row["prediction"] for row in official.read("chartqa", "predictions.json")}
    answers = {item.item_id: predictions[str(item.images[0])] for item in items}
    verdicts = {item.images[0]: bool(CHARTQA.score(item, answers[item.item_id])) for item in items}
    assert verdicts == expected["items"]
    parts = CHARTQA.parts(items, answers)
    assert parts == pytest.approx({f"split/{name}": 100 * expected[name] for name in ("human", "augmented")})
    headline = CHARTQA.headline(CHARTQA.units(items, answers))
    assert headline == pytest.approx(100 * expected["overall"])
    assert headline == pytest.approx(expected["aggregate_metrics_percent"])


@pytest.mark.parametrize(
    ("answer", "target", "is_right"),
    [
        ("105", "100", True),  # 5 % as floats have it: 100 and 105 are within, 1 and 1.05 are not
        ("1.05", "1", False),
        ("2.1", "2", False),
        ("0.0", "0", False),
        ("0", "0", True),
        ("2008", "2010", True),
        ("12", "12%", False),
        ("12%", "0.12", True),
        ("1,000", "1000", False),
        ("$5", "5", False),
        ("5.", "5", True),
        ("1_000", "1000", True),
        (" 5 ", "5", True),
        ("YES", "yes", True),
        ("yes ", "yes", False),
        ("nan", "5", False),
        ("", "5", False),
    ],
)
def test_numbers_and_texts_are_compared_as_the_rules_say(answer: str, target: str, is_right: bool):
    assert is_close(answer, target) == is_right


def test_the_submission_has_the_form_of_the_predictions():
    items = CHARTQA.read(official.question_files("chartqa"))
    rows = json.loads(CHARTQA.submission(items, {item.item_id: item.references[0] for item in items})[1])
    kept = official.read("chartqa", "predictions.json")
    assert {(row["imgname"], row["query"]) for row in rows} == {(row["imgname"], row["query"]) for row in kept}
    assert set(rows[0]) == set(kept[0])
