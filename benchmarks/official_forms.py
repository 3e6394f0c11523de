"""Six benchmarks in their official file forms, and two datasets to train on, out of real sets in LLaVA form.

    python -m benchmarks.official_forms --easy-vqa FOLDER --nlvr FOLDER --out FOLDER [--rows 6000] [--questions 600]

Questions of easy-VQA's test set become files as VQAv2, POPE, MME, GQA and ScienceQA publish theirs, and statements of
NLVR's hidden test set the file of its authors. The datasets hold training rows of the same sets in the forms of
LLaVA's mixture: ``easy`` asks for a word or a letter; ``mixed`` is half of that and half NLVR. What is printed are the
commands that register all of it. Every choice is by position, so the same sets give the same files.
"""

import argparse
import json
import shlex
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from xmas_assets.evaluation.benchmarks.base import OPTION_LETTER, SHORT_ANSWER

COLOURS = ("gray", "yellow", "green", "red", "black", "brown", "blue", "teal")
SHAPES = ("rectangle", "circle", "triangle")
_N_ANNOTATORS = 10
_N_STATEMENT_IMAGES = 6


class Asked(NamedTuple):
    """One question of a set: the record's id, its image, the question without a request for its form, the answer."""

    name: str
    image: Path
    question: str
    answer: str
    task: str


def read_set(folder: Path, split: str) -> list[Asked]:
    """The questions of ``<folder>/<split>.json``, whose human turn is a mark, the question and a request."""
    records = json.loads((folder / f"{split}.json").read_text(encoding="utf-8"))
    return [
        Asked(
            record["id"],
            folder / record["image"],
            record["conversations"][0]["value"].split("\n")[1],
            record["conversations"][1]["value"],
            record["task"],
        )
        for record in records
    ]


def write_vqav2(out: Path, asked: Sequence[Asked]) -> list[str]:
    """Questions and ten equal references each, as ``v2_OpenEnded_*_questions.json`` and ``v2_*_annotations.json``."""
    numbers = _numbered_images(asked)
    questions, annotations = [], []
    for number, row in enumerate(asked):
        ids = {"question_id": number, "image_id": numbers[row.image]}
        _copy(row.image, out / "images" / f"COCO_val2014_{numbers[row.image]:012d}.jpg")
        questions.append(ids | {"question": row.question})
        answers = [
            {"answer": row.answer, "answer_confidence": "yes", "answer_id": n} for n in range(1, _N_ANNOTATORS + 1)
        ]
        kinds = {"question_type": row.task, "answer_type": "yes/no" if row.answer in ("yes", "no") else "other"}
        annotations.append(ids | kinds | {"multiple_choice_answer": row.answer, "answers": answers})
    top = {"data_type": "mscoco", "data_subtype": "val2014", "task_type": "Open-Ended"}
    _write(out / "questions.json", top | {"questions": questions})
    _write(out / "annotations.json", top | {"annotations": annotations})
    return ["--questions", "questions.json", "--annotations", "annotations.json", "--images", "images"]


def write_pope(out: Path, asked: Sequence[Asked]) -> list[str]:
    """Yes/no questions in turn to the files of the three categories."""
    words = []
    for first, category in enumerate(("random", "popular", "adversarial")):
        path = out / f"coco_pope_{category}.json"
        rows = []
        for number, row in enumerate(asked[first::3], start=1):
            _copy(row.image, out / "images" / row.image.name)
            rows.append({"question_id": number, "image": row.image.name, "text": row.question, "label": row.answer})
        _write_lines(path, rows)
        words += ["--questions", path.name]
    return [*words, "--images", "images"]


def write_mme(out: Path, asked: Sequence[Asked]) -> list[str]:
    """Pairs of yes/no questions on one image, one of each answer: about its colour as ``color``, else ``existence``."""
    words = []
    for task, kind in (("color", "yesno_colour"), ("existence", "yesno_shape")):
        by_image: dict[Path, dict[str, Asked]] = {}
        for row in asked:
            if row.task == kind:
                by_image.setdefault(row.image, {}).setdefault(row.answer, row)
        pairs = [pair for pair in by_image.values() if len(pair) == 2]
        lines = [
            f"{row.image.name}\t{row.question} Please answer yes or no.\t{row.answer.capitalize()}"
            for pair in pairs
            for row in (pair["yes"], pair["no"])
        ]
        for pair in pairs:
            _copy(pair["yes"].image, out / "images" / task / pair["yes"].image.name)
        (out / f"{task}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        words += ["--questions", f"{task}.txt"]
    return [*words, "--images", "images"]


def write_gqa(out: Path, asked: Sequence[Asked]) -> list[str]:
    """Open questions with the fields that the official script reads."""
    rows = {}
    for row in asked:
        _copy(row.image, out / "images" / f"{row.image.stem}.jpg")
        rows[row.name] = {
            "question": row.question,
            "imageId": row.image.stem,
            "answer": row.answer,
            "isBalanced": True,
            "types": {"structural": "query", "semantic": "attr", "detailed": row.task},
            "groups": {"global": row.task, "local": row.task},
            "semantic": [{"operation": "query", "argument": row.task, "dependencies": []}],
        }
    _write(out / "testdev_balanced_questions.json", rows)
    return ["--questions", "testdev_balanced_questions.json", "--images", "images"]


def write_scienceqa(out: Path, asked: Sequence[Asked]) -> list[str]:
    """Open questions with lettered options, as ``problems.json`` and ``pid_splits.json``."""
    problems = {}
    for number, row in enumerate(asked, start=1):
        options, right = options_of(row, number)
        _copy(row.image, out / "images" / "test" / str(number) / "image.png")
        problems[str(number)] = {
            "question": row.question,
            "choices": options,
            "answer": right,
            "hint": "",
            "image": "image.png",
        }
    _write(out / "problems.json", problems)
    _write(out / "pid_splits.json", {"test": list(problems)})
    return ["--questions", "problems.json", "--questions", "pid_splits.json", "--images", "images"]


def write_nlvr1(out: Path, asked: Sequence[Asked]) -> list[str]:
    """Statements of which all six pictures are there, as the authors' ``test.json``."""
    groups: dict[str, list[Asked]] = {}
    for row in asked:
        groups.setdefault(row.name.split("-", 1)[1].rsplit("-", 1)[0], []).append(row)
    lines = []
    for identifier, rows in groups.items():
        if len(rows) == _N_STATEMENT_IMAGES:
            for permutation, row in enumerate(rows):
                _copy(row.image, out / "images" / "1" / f"test-{identifier}-{permutation}.png")
            first = rows[0]
            lines.append(
                {"identifier": identifier, "directory": "1", "sentence": first.question, "label": first.answer}
            )
    _write_lines(out / "test.json", lines)
    return ["--questions", "test.json", "--images", "images"]


def options_of(row: Asked, number: int) -> tuple[list[str], int]:
    """Three options of an open question, and which is right: by turns each of them."""
    words = COLOURS if row.task == "colour" else SHAPES
    wrong = [word for word in words if word != row.answer]
    options = [wrong[number % len(wrong)], wrong[(number + 1) % len(wrong)]]
    right = number % 3
    return [*options[:right], row.answer, *options[right:]], right


def training_row(row: Asked, number: int, out: Path) -> dict[str, Any]:
    """A question as LLaVA's mixture asks it: for a word or, every second open one, for an option's letter."""
    _copy(row.image, out / "images" / row.image.name)
    prompt, answer = row.question + SHORT_ANSWER, row.answer
    if row.task in ("colour", "shape") and number % 2:
        options, right = options_of(row, number // 2)
        listed = "".join(f"\n{letter}. {option}" for letter, option in zip("ABC", options, strict=True))
        prompt, answer = row.question + listed + OPTION_LETTER, "ABC"[right]
    elif row.answer in ("true", "false"):
        prompt = f"{row.question}\nIs this statement true or false?{SHORT_ANSWER}"
    said = [{"from": "human", "value": f"<image>\n{prompt}"}, {"from": "gpt", "value": answer}]
    return {"id": row.name, "image": row.image.name, "conversations": said, "task": row.task.split("_")[0]}


def write_dataset(out: Path, train: Sequence[Asked], test: Sequence[Asked]) -> list[str]:
    """A dataset to train on and its own test set."""
    for name, rows in (("train", train), ("test", test)):
        _write(out / f"{name}.json", [training_row(row, number, out) for number, row in enumerate(rows)])
    return ["--annotations", "train.json", "--test", "test.json", "--images", "images"]


def spread(rows: Sequence[Asked], count: int) -> list[Asked]:
    """``count`` rows at equal distances, so that all parts of a sorted file are in it."""
    return [rows[number * len(rows) // count] for number in range(min(count, len(rows)))]


def write_all(easy_vqa: Path, nlvr: Path, out: Path, *, n_rows: int, n_questions: int) -> list[str]:
    """Write everything below ``out``, which must not exist yet.

    Returns:
        The commands that register it.
    """
    train, test = read_set(easy_vqa, "train"), read_set(easy_vqa, "test")
    statements, hidden = read_set(nlvr, "train"), read_set(nlvr, "test")
    open_ones = [row for row in test if row.answer not in ("yes", "no")]
    closed = [row for row in test if row.answer in ("yes", "no")]
    half = n_rows // 2
    written = {
        "benchmark": {
            "vqav2": (write_vqav2, spread(test, n_questions)),
            "pope": (write_pope, spread(closed, n_questions)),
            "mme": (write_mme, closed[: 4 * n_questions]),
            "gqa": (write_gqa, spread(open_ones, n_questions)),
            "scienceqa": (write_scienceqa, spread(open_ones, n_questions)),
            "nlvr1": (write_nlvr1, hidden[:n_questions]),
        },
    }
    datasets = {
        "easy": (spread(train, n_rows), spread(test, n_questions)),
        "mixed": (
            [*spread(train, half), *spread(statements, n_rows - half)],
            [*spread(test, n_questions // 2), *hidden[-(n_questions // 2) :]],
        ),
    }
    out.mkdir(parents=True)
    commands = [
        _command("benchmark", name, out, write(_made(out / name), rows))
        for name, (write, rows) in written["benchmark"].items()
    ]
    for name, (for_training, for_tests) in datasets.items():
        commands.append(_command("dataset", name, out, write_dataset(_made(out / name), for_training, for_tests)))
    return commands


def _command(kind: str, name: str, out: Path, words: Iterable[str]) -> str:
    paths = [word if word.startswith("--") else str(out / name / word) for word in words]
    return shlex.join(["xmas", kind, "add", name, *paths])


def _numbered_images(asked: Iterable[Asked]) -> dict[Path, int]:
    return {image: number for number, image in enumerate(dict.fromkeys(row.image for row in asked), start=1)}


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _copy(source: Path, target: Path) -> None:
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def _write_lines(path: Path, rows: Iterable[Any]) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in ("--easy-vqa", "--nlvr", "--out"):
        parser.add_argument(option, type=Path, required=True)
    parser.add_argument("--rows", type=int, default=6000, help="rows of each dataset")
    parser.add_argument("--questions", type=int, default=600, help="questions of each benchmark, about")
    given = parser.parse_args()
    sets = given.easy_vqa.resolve(), given.nlvr.resolve()
    print(*write_all(*sets, given.out.resolve(), n_rows=given.rows, n_questions=given.questions), sep="\n")


if __name__ == "__main__":
    main()
