"""VQAv2: open-ended questions on COCO images, each answered by ten people."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import ClassVar

from xmas_assets.evaluation.benchmarks.base import SHORT_ANSWER, Benchmark, Files, Item
from xmas_assets.evaluation.benchmarks.official_files import (
    answers_of,
    entry,
    mapping,
    question_object,
    read_json,
    rows_of,
    with_unique_ids,
)
from xmas_assets.evaluation.benchmarks.vqa_text import CACHED_TEXTS, evalai_words, plain_words, soft_accuracy

_words = lru_cache(maxsize=CACHED_TEXTS)(plain_words)


class Vqav2(Benchmark):
    """VQAv2, scored as the official script scores the answers that it is given.

    LLaVA sends answers through its own normal form before the server scores them (``submission``), which moves commas
    and "'s". Without ``--annotations``, as for the test splits, nothing is scored.
    """

    name: ClassVar[str] = "vqav2"
    title: ClassVar[str] = "VQAv2"
    source: ClassVar[str] = "Goyal et al. 2017 (arXiv 1612.00837); vqaEval.py of GT-Vision-Lab/VQA"
    metric: ClassVar[str] = "accuracy over ten annotators, percent"
    max_new_tokens: ClassVar[int] = 16
    files: ClassVar[str] = "questions: v2_OpenEnded_*_questions.json; annotations: v2_*_annotations.json"

    def read(self, files: Files) -> list[Item]:
        """The questions, with ten answers each where they are published."""
        path, content = question_object(files)
        annotations = _annotations(files)
        # The questions of "test-dev2015" are on images of "test2015".
        prefix = f"COCO_{content.get('data_subtype', 'val2014')}_".replace("-dev", "")
        items = []
        for where, row in rows_of(content.get("questions"), f"{path}: questions"):
            number = entry(row, "question_id", where, kind=int)
            references, categories = annotations.get(number, ((), {}))
            question = entry(row, "question", where)
            items.append(
                Item(
                    item_id=str(number),
                    question=question,
                    prompt=question + SHORT_ANSWER,
                    images=(f"{prefix}{entry(row, 'image_id', where, kind=int):012d}.jpg",),
                    references=references,
                    categories=categories,
                )
            )
        return with_unique_ids(items, path)

    def score(self, item: Item, answer: str) -> float:
        """Accuracy over the annotators.

        Where they all gave the same string, the official script normalises neither side: "Yes" is wrong against ten
        times "yes".
        """
        answer = answer.replace("\n", " ").replace("\t", " ").strip()
        references = [text.replace("\n", " ").replace("\t", " ").strip() for text in item.references]
        if len(set(references)) > 1:
            answer, references = _words(answer), [_words(text) for text in references]
        return soft_accuracy(answer, references)

    def submission(self, items: Sequence[Item], answers: Mapping[str, str]) -> tuple[str, bytes]:
        """The file that LLaVA sends to the server: every question, its answer in LLaVA's normal form."""
        rows = [
            {"question_id": int(item.item_id), "answer": evalai_words(answers.get(item.item_id, ""))} for item in items
        ]
        return "vqav2_answers.json", json.dumps(rows).encode()


def _annotations(files: Files) -> dict[int, tuple[tuple[str, ...], dict[str, str]]]:
    """References and categories by question; none where there is no file of them."""
    if files.annotations is None:
        return {}
    path = files.annotations
    found = {}
    for where, row in rows_of(mapping(read_json(path), str(path)).get("annotations"), f"{path}: annotations"):
        categories = {name: entry(row, name, where) for name in ("question_type", "answer_type")}
        found[entry(row, "question_id", where, kind=int)] = (answers_of(row, where), categories)
    return found
