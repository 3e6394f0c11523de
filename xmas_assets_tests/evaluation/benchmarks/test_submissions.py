"""The file that each benchmark's server or official script takes."""

import csv
import io
import json
import zipfile

import pytest

from xmas_assets.evaluation.benchmarks.registry import BENCHMARKS
from xmas_assets_tests.golden import official

LISTS = {
    "vqav2": {"question_id", "answer"},
    "vizwiz": {"image", "answer"},
    "gqa": {"questionId", "prediction"},
    "chartqa": {"imgname", "query", "prediction"},
    "captions_coco": {"image_id", "caption"},
    "captions_nocaps": {"image_id", "caption"},
}
"""Keys of a record, of benchmarks that take a JSON list."""
LINES = {
    "textvqa": {"question_id", "prompt", "text"},
    "scienceqa": {"question_id", "prompt", "text"},
    "pope": {"question", "answer"},
    "seedbench": {"question_id", "prediction"},
    "llavabench": {"question_id", "prompt", "text", "answer_id"},
}
"""Keys of a record, of benchmarks that take JSON lines."""


def submission(name: str) -> tuple[str, bytes, int]:
    """File and content where only the first question has an answer, and how many questions there are."""
    items = BENCHMARKS[name].read(official.question_files(name))
    made = BENCHMARKS[name].submission(items, {items[0].item_id: "yes"})
    assert made is not None
    return (*made, len(items))


def test_every_benchmark_but_one_that_people_rate_has_a_form_of_its_own():
    assert {name for name, each in BENCHMARKS.items() if each.submission([], {}) is None} == {"owleval"}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_has_a_record_for_every_question(name: str):
    file, content, n_items = submission(name)
    rows = json.loads(content)
    assert file.endswith(".json")
    assert ([set(row) for row in rows], len(rows)) == ([LISTS[name]] * len(rows), n_items)


@pytest.mark.parametrize("name", LINES)
def test_json_lines_have_a_record_for_every_question(name: str):
    file, content, n_items = submission(name)
    rows = [json.loads(line) for line in content.decode().splitlines()]
    assert file.endswith(".jsonl")
    assert all(LINES[name] <= set(row) for row in rows) and len(rows) == n_items


@pytest.mark.parametrize("name", ["mmmu", "mmvet"])
def test_an_object_has_a_value_for_every_question(name: str):
    file, content, n_items = submission(name)
    answers = json.loads(content)
    assert file.endswith(".json") and len(answers) == n_items
    assert all(isinstance(answer, str) for answer in answers.values())


@pytest.mark.parametrize("name", ["nlvr1", "nlvr2"])
def test_predictions_of_nlvr_are_two_cells_a_line(name: str):
    _, content, n_items = submission(name)
    rows = list(csv.reader(io.StringIO(content.decode())))
    assert len(rows) == n_items and {len(row) for row in rows} == {2}
    assert rows[0][1] == "true"


@pytest.mark.parametrize("name", ["mmbench_en", "mmbench_cn", "mme"])
def test_workbooks_and_folders_are_archives(name: str):
    file, content, _ = submission(name)
    names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    assert ("xl/worksheets/sheet1.xml" in names) == file.endswith(".xlsx")
    assert name != "mme" or len([each for each in names if each.endswith(".txt")]) == 14
