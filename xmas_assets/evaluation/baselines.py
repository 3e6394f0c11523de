"""Scores of two guessers that never look at an image; a model must beat them to have learned from images."""

from collections.abc import Callable, Sequence

import polars as pl

from xmas_assets.contracts.samples import Sample
from xmas_assets.evaluation.scorers import exact_match, majority_answers, question_id, question_prior

_BASELINES: dict[str, Callable[[Sequence[Sample], Sequence[Sample]], list[str]]] = {
    "majority": majority_answers,
    "question_prior": question_prior,
}


def blind_scores(train: Sequence[Sample], test: Sequence[Sample], asked: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Score of each blind baseline on every asked question.

    Args:
        train: What the guessers count answers in.
        test: The test set.
        asked: The asked questions, at least ``question_id``, in the test set's order within it.

    Returns:
        By name (``majority``, ``question_prior``): ``question_id``, ``image_hash``, ``task``, ``score``.
    """
    rows = [
        (question_id(sample, turn), sample.first_image_hash, sample.task, answer.text)
        for sample in test
        for turn, answer in enumerate(sample.turns)
        if answer.role == "assistant"
    ]
    schema = {"question_id": pl.String, "image_hash": pl.String, "task": pl.String, "reference": pl.String}
    questions = pl.DataFrame(rows, schema=schema, orient="row")
    scored = {}
    for name, guess in _BASELINES.items():
        scores = [exact_match(guessed, row[3]) for guessed, row in zip(guess(train, test), rows, strict=True)]
        frame = questions.drop("reference").with_columns(score=pl.Series(scores, dtype=pl.Float64))
        scored[name] = frame.join(asked.select("question_id"), on="question_id", how="semi")
    return scored
