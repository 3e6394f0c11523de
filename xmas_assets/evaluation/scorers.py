"""Scoring answers: exact match, the platform's own metric, and two baselines that never look at an image."""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence

from xmas_assets.contracts.samples import Sample, without_image_marks


def exact_match(answer: str, reference: str) -> int:
    """Return 1 if the answer is the reference, else 0; case, white space at the ends and one final period are ignored.

    This is the platform's own metric for short answers. Published benchmarks have rules of their own (VQAv2 averages
    over ten annotators); scores by this rule are not comparable to theirs.

    Example:
        >>> exact_match(" Yes. ", "yes"), exact_match("yes, it is", "yes")
        (1, 0)
    """
    return int(_normal(answer) == _normal(reference))


def question_of(sample: Sample, turn: int) -> str:
    """Return the text of the question that an assistant turn answers, without image marks."""
    return without_image_marks(sample.turns[turn - 1].text)


def question_id(sample: Sample, turn: int) -> str:
    """Return the id of the question that an assistant turn answers: ``sample_id``, and the turn if it has several."""
    n_answers = sum(turn.role == "assistant" for turn in sample.turns)
    return sample.sample_id if n_answers == 1 else f"{sample.sample_id}#{turn}"


def majority_answers(train: Sequence[Sample], test: Sequence[Sample]) -> list[str]:
    """Guess every answer as the most frequent training answer of its task (of all tasks, for a task never trained).

    Args:
        train: Samples to count in.
        test: Samples to guess for.

    Returns:
        One guess per assistant turn of ``test``, in order; an empty string if ``train`` has no answer.
    """
    return _guess(train, test, [_task])


def question_prior(train: Sequence[Sample], test: Sequence[Sample]) -> list[str]:
    """Guess every answer as the most frequent training answer to the very same question, else of its task.

    The same question under another task is another question. Args and returns are those of ``majority_answers``.
    """
    return _guess(train, test, [_task_and_question, _task])


def _guess(
    train: Sequence[Sample], test: Sequence[Sample], keys: Sequence[Callable[[Sample, int], Hashable]]
) -> list[str]:
    """Look a guess up by the first key that training has seen. Equally frequent answers: the first in the alphabet."""
    counts: dict[Hashable, Counter[str]] = {}
    keyed = [*keys, lambda sample, turn: None]
    for sample, turn in _answered(train):
        for level, key in enumerate(keyed):
            counts.setdefault((level, key(sample, turn)), Counter())[_normal(sample.turns[turn].text)] += 1
    best = {key: min(counter, key=lambda text: (-counter[text], text)) for key, counter in counts.items()}
    guesses = []
    for sample, turn in _answered(test):
        known = ((level, key(sample, turn)) for level, key in enumerate(keyed))
        guesses.append(next((best[key] for key in known if key in best), ""))
    return guesses


def _answered(samples: Sequence[Sample]) -> list[tuple[Sample, int]]:
    return [(sample, n) for sample in samples for n, turn in enumerate(sample.turns) if turn.role == "assistant"]


def _task(sample: Sample, turn: int) -> Hashable:
    return sample.task


def _task_and_question(sample: Sample, turn: int) -> Hashable:
    return sample.task, question_of(sample, turn).casefold()


def _normal(text: str) -> str:
    return text.strip().removesuffix(".").rstrip().casefold()
