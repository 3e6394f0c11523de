"""Asking a whole test set at once, as the platform asks it in shards."""

from collections.abc import Sequence
from typing import Any

from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.settings import BenchmarkSettings
from xmas_assets.evaluation.answers import Answer
from xmas_assets.evaluation.runner import ask, chosen_questions, scored_answers


def answer_questions(
    vlm: Any, samples: Sequence[Sample], open_image: Any, settings: BenchmarkSettings, **options: Any
) -> list[Answer]:
    """The answers of a model, one per question."""
    chosen = chosen_questions(samples, settings.max_questions)
    options |= {"max_new_tokens": settings.max_new_tokens}
    return scored_answers(samples, ask(vlm, samples, open_image, settings, chosen=chosen, **options), chosen=chosen)
