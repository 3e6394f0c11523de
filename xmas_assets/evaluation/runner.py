"""Asking a model the questions of a test set, greedily and in batches; the answers do not depend on the batches."""

import hashlib
import logging
from collections import Counter
from collections.abc import Container, Sequence

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.contracts.progress import Progress, ProgressCallback
from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.settings import BenchmarkSettings
from xmas_assets.evaluation.answers import Answer, Reply
from xmas_assets.evaluation.scorers import exact_match, question_id, question_of
from xmas_assets.vlm.devices import model_work
from xmas_assets.vlm.generation import generate, stop_token_ids
from xmas_assets.vlm.image_inputs import OpenImage, Pictures
from xmas_assets.vlm.loading import Vlm
from xmas_assets.vlm.prompts import Encoder

_LOG = logging.getLogger(__name__)


def ask(
    vlm: Vlm,
    samples: Sequence[Sample],
    open_image: OpenImage,
    settings: BenchmarkSettings,
    *,
    max_tokens: int,
    max_new_tokens: int,
    chosen: Container[str] | None,
    progress: ProgressCallback | None = None,
) -> list[list[Reply]]:
    """Ask each chosen assistant turn as a question, with the true answers to the earlier ones before it.

    Args:
        vlm: The model.
        samples: The test set, or some of it.
        open_image: Gives the picture of a reference and content hash.
        settings: Batch size and threads.
        max_tokens: Longest prompt, tokens.
        max_new_tokens: Longest answer, tokens.
        chosen: Ids of the questions to ask; None for all.
        progress: Called after each batch of questions.

    Returns:
        By sample, the replies to those of its questions that are chosen, in order of turns. A question is not asked if
        it is longer than ``max_tokens``, or the processor refuses an image of it.

    Raises:
        ImageError: If ``open_image`` refuses a picture.
    """
    pictures = Pictures(vlm.processor, open_image)
    encoder = Encoder.of(vlm, pictures, max_tokens=max_tokens)
    questions = encoder.ask(
        samples, is_wanted=lambda sample, turn: chosen is None or question_id(sample, turn) in chosen
    )
    prompts = [(number, q.prompt) for number, q in enumerate(questions) if q.prompt is not None]
    # Questions of one length together, and of one image together within a length.
    prompts.sort(key=lambda pair: (len(pair[1].input_ids), pair[1].image_hashes, pair[0]))
    said: dict[int, Reply] = {}
    stop_ids = stop_token_ids(vlm, encoder)
    with model_work(settings.threads):
        for first in range(0, len(prompts), settings.batch_size):
            batch = prompts[first : first + settings.batch_size]
            rows = [prompt for _, prompt in batch]
            replies = generate(vlm, rows, pictures, stop_ids=stop_ids, max_new_tokens=max_new_tokens)
            said |= {number: Reply(*reply) for (number, _), reply in zip(batch, replies, strict=True)}
            if progress is not None:
                progress(Progress(len(said), len(prompts)))
    if questions and not any(reply.text for reply in said.values()):
        _LOG.warning("%s gave an empty answer to all of %d questions", vlm.directory, len(questions))
    by_sample: dict[str, list[Reply]] = {sample.sample_id: [] for sample in samples}
    for number, question in enumerate(questions):
        by_sample[question.sample.sample_id].append(said.get(number, Reply(None, left_out=question.left_out)))
    return list(by_sample.values())


def scored_answers(
    samples: Sequence[Sample], replies: Sequence[Sequence[Reply]], *, chosen: Container[str]
) -> list[Answer]:
    """The replies as rows with their scores by exact match, in the order of samples and turns.

    Args:
        samples: The test set.
        replies: As ``ask`` gave them.
        chosen: Ids of the questions that were chosen.
    """
    answers = []
    for sample, given in zip(samples, replies, strict=True):
        asked = [turn for turn in _answer_turns(sample) if question_id(sample, turn) in chosen]
        answers += [_answer(sample, turn, reply.text) for turn, reply in zip(asked, given, strict=True)]
    return answers


def right_answers(samples: Sequence[Sample], *, chosen: Container[str]) -> dict[str, str]:
    """The right answer to each chosen question of a test set, by its id, in the order of samples and turns."""
    asked = ((sample, turn) for sample in samples for turn in _answer_turns(sample))
    return {name: sample.turns[turn].text for sample, turn in asked if (name := question_id(sample, turn)) in chosen}


def coverage(answers: Sequence[Answer]) -> float:
    """Share of the questions that were asked and answered (an empty answer is one), in [0, 1]; 0 of 0 is 0."""
    return sum(answer.answer is not None for answer in answers) / max(1, len(answers))


def chosen_questions(samples: Sequence[Sample], count: int | None) -> set[str]:
    """Ids of ``count`` questions (None: all), those that hash lowest: the same ones in any order of the rows.

    Raises:
        DatasetError: If two questions have one id.
    """
    ids = [question_id(sample, turn) for sample in samples for turn in _answer_turns(sample)]
    if len(set(ids)) != len(ids):
        twice = next(name for name, n in Counter(ids).items() if n > 1)
        raise DatasetError(f"question id {twice[:80]!r} occurs twice in the test set; ids must be unique")
    return set(sorted(ids, key=lambda name: hashlib.sha256(name.encode()).digest())[:count])


def _answer_turns(sample: Sample) -> list[int]:
    return [number for number, turn in enumerate(sample.turns) if turn.role == "assistant"]


def _answer(sample: Sample, turn: int, reply: str | None) -> Answer:
    reference = sample.turns[turn].text
    return Answer(
        question_id=question_id(sample, turn),
        sample_id=sample.sample_id,
        image_hash=sample.first_image_hash,
        task=sample.task,
        question=question_of(sample, turn),
        reference=reference,
        answer=reply,
        score=None if reply is None else exact_match(reply, reference),
    )
