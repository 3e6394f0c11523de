"""What is kept of a question that a model was asked: the columns of the stored answers."""

from typing import NamedTuple


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
