"""VizWiz-VQA: questions that blind people asked about their own photographs."""

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from xmas_assets.core.arrays import FloatArray
from xmas_assets.evaluation.benchmarks.base import SHORT_ANSWER, Benchmark, Files, Item
from xmas_assets.evaluation.benchmarks.official_files import (
    answers_of,
    entry,
    one_question_file,
    read_json,
    rows_of,
    with_unique_ids,
)
from xmas_assets.evaluation.benchmarks.vqa_text import CONTRACTIONS, evalai_words, plain_words, soft_accuracy

UNANSWERABLE = "\nWhen the provided information is insufficient, respond with 'Unanswerable'."
_CURLY = str.maketrans("'", "\u2019")
_STRAIGHT_KEYS = {"couldn'tve", "hadn'tve"}
_STRAIGHT_VALUES = {"aint", "arent", "cant", "couldve", "couldnt", "weve", "wheres", "whove"}
_CONTRACTIONS = {
    (wrong if wrong in _STRAIGHT_KEYS else wrong.translate(_CURLY)): (
        right if wrong in _STRAIGHT_VALUES else right.translate(_CURLY)
    )
    for wrong, right in CONTRACTIONS.items()
}
"""VQA's table as VizWiz's script has it: with typographic apostrophes, save for a few words."""


class Vizwiz(Benchmark):
    """VizWiz-VQA, scored as its script is known from two public copies; the published archive is out of reach."""

    name: ClassVar[str] = "vizwiz"
    title: ClassVar[str] = "VizWiz"
    source: ClassVar[str] = "Gurari et al. 2018 (arXiv 1802.08218); vqaEval.py of the VizWiz API"
    metric: ClassVar[str] = "accuracy over ten annotators, percent"
    max_new_tokens: ClassVar[int] = 16
    files: ClassVar[str] = "questions: val.json, or test.json, which has no answers"

    def read(self, files: Files) -> list[Item]:
        """The questions, one per image, with ten answers each where they are published."""
        path = one_question_file(files)
        items = []
        for where, row in rows_of(read_json(path), str(path)):
            image, question = entry(row, "image", where), entry(row, "question", where)
            answers = answers_of(row, where) if "answers" in row else ()
            items.append(
                Item(
                    item_id=image,
                    question=question,
                    prompt=question + UNANSWERABLE + SHORT_ANSWER,
                    images=(image,),
                    references=answers,
                    categories={"answer_type": entry(row, "answer_type", where)} if answers else {},
                    details={"answerable": entry(row, "answerable", where, kind=int)} if answers else {},
                )
            )
        return with_unique_ids(items, path)

    def score(self, item: Item, answer: str) -> float:
        """Accuracy over the annotators, whose answers are taken as they are: "the sofa" never equals "The sofa"."""
        return soft_accuracy(vizwiz_words(answer), item.references)

    def submission(self, items: Sequence[Item], answers: Mapping[str, str]) -> tuple[str, bytes]:
        """The file that LLaVA sends to the server: every question, its answer in LLaVA's normal form."""
        rows = [{"image": item.item_id, "answer": evalai_words(answers.get(item.item_id, ""))} for item in items]
        return "vizwiz_answers.json", json.dumps(rows).encode()


def vizwiz_words(text: str) -> str:
    """An answer as VizWiz compares it: VQA's normal form, in which "dont" becomes "don’t" and so no "don't"."""
    return plain_words(text, _CONTRACTIONS)


def answerability(items: Sequence[Item], answerable: Mapping[str, float]) -> dict[str, float]:
    """Measures of VizWiz's second task, whether a question can be answered, in percent.

    Args:
        items: With ``details["answerable"]``, 0 or 1.
        answerable: Predicted by item id, in [0, 1]. Items without a prediction take no part.

    Returns:
        ``average_precision`` and ``f1_score``; "not answerable" is the positive class, predicted above 0.5.
    """
    known = [item for item in items if item.item_id in answerable]
    truth = np.array([not item.details["answerable"] for item in known])
    predicted = np.array([1 - answerable[item.item_id] for item in known])
    n_hits = (truth & (predicted > 0.5)).sum()
    return {
        "average_precision": 100 * _average_precision(truth, predicted),
        "f1_score": 100 * float(2 * n_hits / max(truth.sum() + (predicted > 0.5).sum(), 1)),
    }


def _average_precision(truth: NDArray[np.bool_], predicted: FloatArray) -> float:
    """Precision at each distinct prediction, weighted by the recall gained there; 0 if nothing is true."""
    order = np.argsort(-predicted, kind="stable")
    n_taken = np.flatnonzero(np.diff(predicted[order], append=np.nan)) + 1
    n_hits = np.cumsum(truth[order])[n_taken - 1]
    return float((n_hits / n_taken * np.diff(n_hits, prepend=0)).sum() / max(truth.sum(), 1))
