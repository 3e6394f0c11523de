"""MMBench against VLMEvalKit's exact matching, and against the table that LLaVA uploads."""

import io
import zipfile
from xml.etree import ElementTree

import pytest

from xmas_assets.evaluation.benchmarks.mmbench import MmbenchCn, MmbenchEn, read_option
from xmas_assets_tests.golden import official

ABILITIES = ("AR", "CP", "FP-C", "FP-S", "LR", "RR")
SPREADSHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"

pytestmark = pytest.mark.parametrize("benchmark", [MmbenchEn(), MmbenchCn()], ids=lambda benchmark: benchmark.name)


def _answers(benchmark: MmbenchEn) -> dict[str, str]:
    rows = official.read(benchmark.name, "expected.json")["vlmevalkit"]["rows"]
    return {str(row["index"]): row["prediction"] for row in rows}


def test_answers_are_read_as_the_official_script_reads_them(benchmark: MmbenchEn):
    items = {item.item_id: item for item in benchmark.read(official.question_files(benchmark.name))}
    rows = official.read(benchmark.name, "expected.json")["vlmevalkit"]["rows"]
    for row in rows:
        item = items[str(row["index"])]
        assert item.references == (row["answer"],)
        assert read_option(row["prediction"], item.details["options"]) == row["can_infer"], row
        without_texts = dict.fromkeys(item.details["options"], "never said")
        assert read_option(row["prediction"], without_texts) == row["can_infer_option"], row
    assert len(rows) == len(items)


def test_accuracies_are_those_of_the_official_script(benchmark: MmbenchEn):
    items = benchmark.read(official.question_files(benchmark.name))
    expected = official.read(benchmark.name, "expected.json")["vlmevalkit"]
    answers = _answers(benchmark)
    units = benchmark.units(items, answers)
    assert {unit.item_ids[0]: unit.values[0] for unit in units} == expected["circular_hit"]
    first = [item for item in items if item.item_id in expected["vanilla_hit"]]
    assert benchmark.score_all(first, answers) == expected["vanilla_hit"]
    assert benchmark.headline(units) == pytest.approx(100 * expected["circular"]["Overall"], abs=1e-7)
    parts = {"vanilla": 100 * expected["vanilla_first_round_only"]["Overall"]}
    for prefix, kind in (("", "circular"), ("vanilla/", "vanilla_first_round_only")):
        for name, value in expected[kind].items():
            if name not in ("split", "Overall"):
                division = "l2-category" if name in ABILITIES else "category"
                parts[f"{prefix}{division}/{name}"] = 100 * value
    assert benchmark.parts(items, answers) == pytest.approx(parts, abs=1e-7)


def test_the_submission_is_the_table_that_llava_uploads(benchmark: MmbenchEn):
    items = benchmark.read(official.question_files(benchmark.name))
    expected = official.read(benchmark.name, "expected.json")["llava_submission_table"]
    answers = {str(row["question_id"]): row["text"] for row in official.read(benchmark.name, "llava_answers.jsonl")}
    name, content = benchmark.submission(items, answers)
    head, *rows = _cells(content)
    assert name.endswith(".xlsx")
    assert (head, len(rows)) == (expected["columns"], expected["n_rows"])
    shown = [[str(cell) for cell in row] for row in expected["first_rows"]]
    assert rows[: len(shown)] == shown


def _cells(content: bytes) -> list[list[str]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    return [["".join(cell.itertext()) for cell in row] for row in sheet.iter(f"{SPREADSHEET}row")]
