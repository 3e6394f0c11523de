"""How long answers and whole rows are, in tokens of a model; no picture is opened for it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xmas_assets.contracts.samples import Sample, Turn
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.loading import load_processor
from xmas_assets.vlm.prompts import Encoder


def answer_encoder(base: Path) -> Encoder:
    """An encoder that counts the tokens of answers, by the tokenizer and the chat template of a model's directory.

    Raises:
        ModelError: If the model has no fast tokenizer or no chat template.
    """
    processor = load_processor(base)
    # Answers hold no images, so that no token is an image's.
    return Encoder(processor, Pictures(processor, _no_picture), image_token_id=-1, max_tokens=1)


def answer_tokens(base: Path, answers: Sequence[str]) -> NDArray[np.int64]:
    """Count the tokens of each answer with its end token, shape (n_answers,); raises as ``answer_encoder``."""
    asked = Turn("user", "?")
    samples = [Sample(str(number), (asked, Turn("assistant", text))) for number, text in enumerate(answers)]
    return answer_encoder(base).lengths(samples)[1]


def text_tokens(base: Path, samples: Sequence[Sample]) -> NDArray[np.int64]:
    """Count the tokens of each sample, an image as its mark, shape (n_samples,); raises as ``answer_encoder``."""
    return answer_encoder(base).lengths(samples)[0]


def _no_picture(reference: str, content_hash: str) -> Image.Image:
    raise AssertionError(f"{reference} ({content_hash}) is opened to count words")
