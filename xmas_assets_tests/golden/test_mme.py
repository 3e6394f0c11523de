"""MME against the official script."""

import io
import re
import zipfile

import pytest

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.evaluation.benchmarks.base import Files
from xmas_assets.evaluation.benchmarks.mme import COGNITION, PERCEPTION, Mme, said
from xmas_assets_tests.golden import official

MME = Mme()
TASKS = (*PERCEPTION, *COGNITION)


def _lines(task: str) -> list[str]:
    text = official.file("mme", f"results/{task}.txt").read_text(encoding="utf-8")
    return text.removesuffix("\n").split("\n")


def _answers() -> dict[str, str]:
    return {f"{task}_{number}": line.split("\t")[3] for task in TASKS for number, line in enumerate(_lines(task))}


def test_answers_are_read_as_the_official_script_reads_them():
    for case in official.read("mme", "expected.json")["parse_cases"]:
        assert said(case["answer"]) == case["label"], case["answer"]


def test_scores_are_those_of_the_official_script():
    expected = official.read("mme", "expected.json")
    items, answers = MME.read(official.question_files("mme")), _answers()
    parts = {f"{task}/{name}": value for task, told in expected["tasks"].items() for name, value in told.items()}
    parts |= {name: expected[name] for name in ("perception", "cognition")}
    assert MME.parts(items, answers) == pytest.approx(parts)
    assert MME.headline(MME.units(items, answers)) == pytest.approx(expected["perception"])
    printed = dict(re.findall(r"(\w+)  score: ([\d.]+)", expected["stdout"]))
    assert {task: MME.parts(items, answers)[f"{task}/score"] for task in printed} == pytest.approx(
        {task: float(score) for task, score in printed.items()}
    )


def test_the_submission_is_the_folder_that_the_official_script_reads():
    items = MME.read(official.question_files("mme"))
    archive = zipfile.ZipFile(io.BytesIO(MME.submission(items, _answers())[1]))
    assert set(archive.namelist()) == {f"{task}.txt" for task in TASKS}
    for task in TASKS:
        assert archive.read(f"{task}.txt").decode() == "".join(f"{line}\n" for line in _lines(task))


def test_an_answer_breaks_no_line_of_the_submission():
    items = MME.read(official.question_files("mme"))
    answers = {item.item_id: "Yes,\tit\nis\r\nso" for item in items}
    archive = zipfile.ZipFile(io.BytesIO(MME.submission(items, answers)[1]))
    lines = archive.read("OCR.txt").decode().splitlines()
    assert len(lines) == len(_lines("OCR"))
    assert {line.split("\t")[3] for line in lines} == {"Yes, it is so"}


def test_prompts_end_as_those_of_llava():
    for item in MME.read(official.question_files("mme")):
        assert item.prompt.endswith("?\nAnswer the question using a single word or phrase.")


def test_images_are_found_in_both_layouts_of_the_archive(tmp_path):
    files = official.question_files("mme")
    image = _lines("artwork")[0].split("\t")[0]
    (tmp_path / "artwork" / "images").mkdir(parents=True)
    (tmp_path / "artwork" / "images" / image).touch()
    images = {item.images[0] for item in MME.read(Files(questions=files.questions, images=tmp_path))}
    assert f"artwork/images/{image}" in images
    assert f"OCR/{_lines('OCR')[0].split(chr(9))[0]}" in images


def test_a_question_without_its_pair_is_refused(tmp_path):
    path = tmp_path / "color.txt"
    path.write_text("a.jpg\tIs it red?\tYes\na.jpg\tIs it blue?\tNo\nb.jpg\tIs it red?\tYes\n")
    with pytest.raises(DatasetError, match="3 questions"):
        MME.read(Files(questions=(path,)))
