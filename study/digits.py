"""Handwritten digits that come with scikit-learn, as pictures with questions: a small real set."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_SIDE = 64
# How often each kind of question is asked of a training picture: a long tail.
_KINDS = {"digit": 1.0, "is": 1.0, "parity": 0.25, "above": 0.25}


def write_digits(
    folder: Path,
    *,
    seed: int,
    n_test_pictures: int = 360,
    n_repeated: int = 0,
    copies: int = 1,
    n_single: int | None = None,
) -> Path:
    """Write ``train.json``, ``test.json`` and the pictures; test pictures are asked every kind of question.

    Args:
        folder: Where to write.
        seed: Of everything drawn.
        n_test_pictures: Of the 1,797.
        n_repeated: Training pictures that come several times, each time moved by up to 2 of 64 pixels.
        copies: How often.
        n_single: Training pictures besides that come once; default all others.

    Returns:
        The folder that image names are relative to.
    """
    rng = np.random.default_rng(seed)
    bunch: Any = load_digits()
    order = rng.permutation(len(bunch.images))
    (folder / "images").mkdir(parents=True, exist_ok=True)
    test, training = np.split(order, [n_test_pictures])
    shown = np.concatenate([np.repeat(training[:n_repeated], copies), training[n_repeated:][:n_single]])
    for split, pictures in (("test", test), ("train", shown)):
        records = []
        for place, picture in enumerate(pictures):
            repeats = split == "train" and place < n_repeated * copies
            stem = f"{picture:04d}-{place % copies}" if repeats else f"{picture:04d}"
            name = f"images/{stem}.png"
            _draw(bunch.images[picture], rng.integers(-2, 3, size=2) if repeats else (0, 0)).save(folder / name)
            for kind, share in _KINDS.items():
                if split == "test" or rng.random() < share:
                    question, answer = _ask(kind, int(bunch.target[picture]), rng)
                    records.append(_record(f"{split}-{stem}-{kind}", name, kind, question, answer))
        (folder / f"{split}.json").write_text(json.dumps(records, indent=1))
    return folder


def _draw(image: np.ndarray, moved: Sequence[int] | np.ndarray) -> Image.Image:
    """A digit of 8 x 8 values in 0..16 as a picture, moved by some pixels over its black ground."""
    pixels = np.rint(image * (255 / 16)).astype(np.uint8)
    picture = Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC).convert("RGB")
    ground = Image.new("RGB", picture.size)
    ground.paste(picture, (int(moved[0]), int(moved[1])))
    return ground


def _ask(kind: str, digit: int, rng: np.random.Generator) -> tuple[str, str]:
    if kind == "digit":
        return "Which digit is it?", _WORDS[digit]
    if kind == "is":
        asked = digit if rng.random() < 0.5 else int(rng.choice([other for other in range(10) if other != digit]))
        return f"Is it a {_WORDS[asked]}?", "yes" if asked == digit else "no"
    if kind == "parity":
        return "Is the digit odd or even?", ("even", "odd")[digit % 2]
    return "Is the digit bigger than four?", "yes" if digit > 4 else "no"


def _record(sample_id: str, image: str, task: str, question: str, answer: str) -> dict:
    turns = [{"from": "human", "value": f"<image>\n{question}"}, {"from": "gpt", "value": answer}]
    return {"id": sample_id, "image": image, "conversations": turns, "task": task}
