"""A short fine-tuning run of any family; run as a program it trains, so that a test can kill it."""

import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.samples import Sample, Turn
from xmas_assets.contracts.settings import LoraSettings
from xmas_assets.vlm.probes import draw_probe
from xmas_assets_tests.training.small import settings, train

KINDS = {"full": None, "lora": LoraSettings(rank=4, alpha=8, dropout=0.1)}


def _sample(sample_id: str, images: tuple[str, ...], *texts: str) -> Sample:
    turns = tuple(Turn("assistant" if number % 2 else "user", text) for number, text in enumerate(texts))
    return Sample(sample_id, turns, images, images)


#: Images of two shapes, two in a row, none; one turn and two.
SAMPLES = [
    _sample("a", ("wide",), "<image>What colour?", "red"),
    _sample("b", ("tall",), "<image>What colour?", "blue"),
    _sample("c", ("wide", "tall"), "<image><image>Are they alike?", "no", "Is one red?", "yes"),
    _sample("d", (), "What is red?", "a colour"),
    _sample("e", ("tall",), "<image>How many?", "one"),
    _sample("f", ("wide",), "<image>How many?", "two"),
]


def train_family(
    base: Path, output: Path, kind: str, *, changes: Mapping[str, Any] = MappingProxyType({}), **options: Any
) -> list[Checkpoint]:
    """Three epochs of three steps, with a state every two steps and a checkpoint after 5 and 9.

    Args:
        base: Directory of the model.
        output: Of the run alone.
        kind: Of ``KINDS``.
        changes: Other settings.
        options: For ``fine_tune``.
    """
    chosen = settings(
        lora=KINDS[kind],
        epochs=3,
        batch_size=2,
        micro_batch_size=1,
        n_checkpoints=2,
        resume_steps=2,
        learning_rate=1e-2,
        **changes,
    )
    return train(base, output, samples=SAMPLES, open_image=draw_probe, settings=chosen, **options)


if __name__ == "__main__":
    kind, base, output = sys.argv[1:]
    train_family(Path(base), Path(output), kind, progress=lambda progress: print(progress.done, flush=True))
