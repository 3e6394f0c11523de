"""SEED-Bench: lettered options on images and on frames of videos."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.evaluation.benchmarks.base import OPTION_LETTER, Benchmark, Files, Item
from xmas_assets.evaluation.benchmarks.official_files import (
    answer_lines,
    entry,
    mapping,
    question_object,
    rows_of,
    with_unique_ids,
)

_TEXT = (str, int, float)  # a count may stand as a number


class Seedbench(Benchmark):
    """SEED-Bench, scored as LLaVA scores it: an answer must be the letter, with nothing before or after it.

    The benchmark's own script takes the option that the model finds most likely after the question alone. That is the
    second way to answer, ``ranks_options``; the two give different numbers. LLaVA shows the middle frame of a video.
    """

    name: ClassVar[str] = "seedbench"
    title: ClassVar[str] = "SEED-Bench"
    source: ClassVar[str] = "Li et al. 2023 (arXiv 2307.16125); convert_seed_for_submission.py of haotian-liu/LLaVA"
    metric: ClassVar[str] = "accuracy over images and videos, percent"
    max_new_tokens: ClassVar[int] = 16
    ranks_options: ClassVar[bool] = True
    files: ClassVar[str] = (
        "questions: SEED-Bench.json; images: the folder of SEED-Bench-image and of LLaVA's SEED-Bench-video-image"
    )

    def read(self, files: Files) -> list[Item]:
        """The questions, in the file's order."""
        path, content = question_object(files)
        kinds = mapping(content.get("question_type"), f"{path}: question_type")
        dimensions = {entry(kinds, name, f"{path}: question_type", kind=int): name for name in kinds}
        items = []
        for where, row in rows_of(content.get("questions"), f"{path}: questions"):
            number = entry(row, "question_id", where, kind=(str, int))
            kind = entry(row, "question_type_id", where, kind=int)
            if kind not in dimensions:
                raise DatasetError(f"{where}: question_type_id {kind} is not in question_type; get the official file")
            question = entry(row, "question", where)
            options = {letter: str(entry(row, f"choice_{letter.lower()}", where, kind=_TEXT)) for letter in "ABCD"}
            lines = [question, *(f"{letter}. {text}" for letter, text in options.items())]
            items.append(
                Item(
                    item_id=str(number),
                    question=question,
                    prompt="\n".join(lines) + OPTION_LETTER,
                    images=(_image(row, where),),
                    references=(entry(row, "answer", where),) if "answer" in row else (),
                    categories={"dimension": dimensions[kind], "data_type": entry(row, "data_type", where)},
                    details={"options": options, "question_id": number},
                )
            )
        return with_unique_ids(items, path)

    def score(self, item: Item, answer: str) -> float:
        """1 if the answer is the letter."""
        return float(answer in item.references)

    def submission(self, items: Sequence[Item], answers: Mapping[str, str]) -> tuple[str, bytes]:
        """The lines that LLaVA sends to the leaderboard."""
        rows = [
            {"question_id": item.details["question_id"], "prediction": answers.get(item.item_id, "")} for item in items
        ]
        return "seedbench_answers.jsonl", answer_lines(rows)


def _image(row: Mapping[str, object], where: str) -> str:
    """Path of an image below LLaVA's folder; for a video that of the frame that LLaVA takes from it."""
    if entry(row, "data_type", where) == "image":
        return f"SEED-Bench-image/{entry(row, 'data_id', where)}"
    return f"SEED-Bench-video-image/{row['question_type_id']}_{row['question_id']}.png"
