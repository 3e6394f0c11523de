"""What is kept of a question that a model was asked: the columns of the stored answers, and remarks on them."""

from typing import NamedTuple

CUT = "cut"
"""Remark: the model had not ended when its answer reached the longest length."""
REFERENCE_CUT = "reference_cut"
"""Remark: every right answer is longer than the longest length, so that none can be given."""


class Reply(NamedTuple):
    """What a model said to a question.

    Attributes:
        text: None if it was not asked.
        is_cut: Whether the answer reached the longest length before its end.
        left_out: Why it was not asked: a ``Reason``.
    """

    text: str | None
    is_cut: bool = False
    left_out: str | None = None


class Remark(NamedTuple):
    """What a reader of a score has to know about one question.

    Attributes:
        benchmark: Name of the registered benchmark; None for the dataset's own test records.
        question_id: The question, or the item of the benchmark.
        remark: ``CUT``, ``REFERENCE_CUT``, or the ``Reason`` why it was not asked.
        n_tokens: Of ``CUT`` the longest length, of ``REFERENCE_CUT`` what the shortest right answer needs.
    """

    benchmark: str | None
    question_id: str
    remark: str
    n_tokens: int | None


class Answer(NamedTuple):
    """One question and what the model answered.

    Attributes:
        question_id: ``sample_id``, or ``sample_id#turn`` where a sample has several assistant turns.
        sample_id: Whose question it is.
        image_hash: SHA-256 (hex) of the sample's first image, "" without one; answers on one image are not independent.
        task: The source's task name, if it has one.
        question: The question alone, without image marks and earlier turns.
        reference: The right answer.
        answer: What the model answered; None if it could not be asked (longer than ``max_tokens``).
        score: 1 if right, 0 if wrong, None if it could not be asked.
    """

    question_id: str
    sample_id: str
    image_hash: str
    task: str | None
    question: str
    reference: str
    answer: str | None
    score: int | None
