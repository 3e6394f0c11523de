"""TextVQA: questions about the text in an image."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.evaluation.benchmarks.base import SHORT_ANSWER, Benchmark, Files, Item
from xmas_assets.evaluation.benchmarks.official_files import (
    answer_lines,
    entry,
    mapping,
    read_json,
    rows_of,
    strings_of,
    with_unique_ids,
)
from xmas_assets.evaluation.benchmarks.vqa_text import evalai_words, soft_accuracy

_N_ANSWERS = 10


class Textvqa(Benchmark):
    """TextVQA as LLaVA scores it: both sides in the normal form of Pythia's ``EvalAIAnswerProcessor``.

    The prompt names the words that an OCR system read in the image, as LLaVA-1.5 does, where they are given: in the
    question file, or in a second one.
    """

    name: ClassVar[str] = "textvqa"
    title: ClassVar[str] = "TextVQA"
    source: ClassVar[str] = "Singh et al. 2019 (arXiv 1904.08920); eval_textvqa.py of haotian-liu/LLaVA"
    metric: ClassVar[str] = "accuracy over ten annotators, percent"
    max_new_tokens: ClassVar[int] = 32
    files: ClassVar[str] = (
        "questions: TextVQA_0.5.1_val.json, then TextVQA_Rosetta_OCR_v0.2_val.json if prompts name OCR"
    )

    def read(self, files: Files) -> list[Item]:
        """The questions, with ten answers each where they are published."""
        path, *others = files.questions
        words = _ocr_words(others)
        items = []
        for where, row in _data(path):
            question, image = entry(row, "question", where), entry(row, "image_id", where)
            references = strings_of(row, "answers", where) if "answers" in row else ()
            if len(references) not in (0, _N_ANSWERS):
                raise DatasetError(f"{where} has {len(references)} answers, not {_N_ANSWERS}; get the official file")
            read = strings_of(row, "ocr_tokens", where) if "ocr_tokens" in row else words.get(image)
            items.append(
                Item(
                    item_id=str(entry(row, "question_id", where, kind=int)),
                    question=question,
                    prompt=question + ("" if read is None else _reference_ocr(read)) + SHORT_ANSWER,
                    images=(f"{image}.jpg",),
                    references=references,
                    details={"image_id": image},
                )
            )
        return with_unique_ids(items, path)

    def score(self, item: Item, answer: str) -> float:
        """Accuracy over the annotators."""
        return soft_accuracy(evalai_words(answer), [evalai_words(text) for text in item.references])

    def submission(self, items: Sequence[Item], answers: Mapping[str, str]) -> tuple[str, bytes]:
        """Answers as LLaVA's script reads them: their id is the image's, the question is in the prompt."""
        rows = [
            {
                "question_id": item.details["image_id"],
                "prompt": item.prompt,
                "text": answers.get(item.item_id, ""),
            }
            for item in items
        ]
        return "textvqa_answers.jsonl", answer_lines(rows)


def _data(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    return rows_of(mapping(read_json(path), str(path)).get("data"), f"{path}: data")


def _reference_ocr(words: Sequence[str]) -> str:
    return "\nReference OCR token: " + ", ".join(words)


def _ocr_words(paths: Sequence[Path]) -> dict[str, tuple[str, ...]]:
    """Words read in each image, by its id."""
    return {
        entry(row, "image_id", where): strings_of(row, "ocr_tokens", where)
        for path in paths
        for where, row in _data(path)
    }
