"""What LoRA training costs on a card, with and without what the settings offer to make it smaller or faster."""

import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.gpu_clock import Clock, Measured, wait
from benchmarks.gpu_flops import Flops
from benchmarks.gpu_signals import MAX_TOKENS
from benchmarks.made_models import Photos, Shape, made_samples
from xmas_assets.contracts.progress import Progress
from xmas_assets.contracts.settings import BaseModelSettings, LoraSettings, TrainingSettings
from xmas_assets.training.trainer import fine_tune
from xmas_assets.vlm.devices import peak_memory_bytes
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.loading import Vlm
from xmas_assets.vlm.prompts import Encoder

_FOR_EVER = 1_000_000  # steps
_NOTHING_KEPT = "no features were kept, for a reason that training logs"


class Options(NamedTuple):
    """What differs from the plain run.

    Attributes:
        settings: Of the training.
        keeps_features: Whether what the frozen tower makes of an image is kept.
    """

    settings: dict[str, Any] = {}  # noqa: RUF012 nobody changes it
    keeps_features: bool = False


_LESS_MEMORY, _LESS_PADDING = {"gradient_checkpointing": True}, {"group_by_length": True}
OPTIONS = {
    "as it comes": Options(),
    "gradient checkpointing": Options(_LESS_MEMORY),
    "length grouping": Options(_LESS_PADDING),
    "cached features": Options(keeps_features=True),
    "all three": Options(_LESS_MEMORY | _LESS_PADDING, keeps_features=True),
}


class Load(NamedTuple):
    """What is trained on.

    Attributes:
        n_rows: In an epoch; the first is not measured.
        batch_size: Rows per step.
        micro_batch_size: Rows per forward pass.
        answer_words: The shortest answer, and one more than the longest.
        rank: Of the adapters.
    """

    n_rows: int = 32
    batch_size: int = 8
    micro_batch_size: int = 4
    answer_words: tuple[int, int] = (2, 300)
    rank: int = 128


class _EnoughError(Exception):
    """The case's share of the time is spent."""


def train(vlm: Vlm, shape: Shape, clock: Clock, load: Load, options: Options) -> Measured:
    """Train a model, which is changed by it, for the case's share of the time.

    Args:
        vlm: With random weights, on its device.
        shape: Of the model.
        clock: Of the cases.
        load: What is trained on.
        options: Of ``OPTIONS``.
    """
    device, photos = vlm.model.device, Photos(shape.picture_size)
    samples = made_samples(load.n_rows, 1, answer_words=load.answer_words)
    pictures = Pictures(vlm.processor, photos)
    rows, _ = Encoder.of(vlm, pictures, max_tokens=MAX_TOKENS).encode(samples)
    flops = Flops(vlm, pictures.half(rows[0].units[0]))
    n_warm = load.n_rows // load.batch_size
    times: list[float] = []

    def watch(_: Progress) -> None:
        wait(device)
        times.append(time.perf_counter())
        clock.check()
        n_measured = len(times) - n_warm
        if n_measured > 0 and not clock.has_time_for((times[-1] - times[n_warm - 1]) / n_measured):
            raise _EnoughError

    settings = TrainingSettings(
        lora=LoraSettings(rank=load.rank, alpha=2 * load.rank),
        n_steps=_FOR_EVER,
        resume_steps=_FOR_EVER,
        batch_size=load.batch_size,
        micro_batch_size=load.micro_batch_size,
        learning_rate=2e-5,
        schedule="constant",
        **options.settings,
    )
    base_settings = BaseModelSettings(dtype="bfloat16", device=device.type, max_tokens=MAX_TOKENS)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with suppress(_EnoughError):
            fine_tune(
                base=vlm,
                base_settings=base_settings,
                samples=samples,
                open_image=photos,
                settings=settings,
                seed=0,
                output=folder / "run",
                progress=watch,
                feature_folder=folder / "features" if options.keeps_features else None,
            )
        is_kept = any(path.is_file() for path in (folder / "features").rglob("*"))
    n_steps = len(times) - n_warm
    return Measured(
        n_steps * load.batch_size,
        times[-1] - times[n_warm - 1],
        peak_memory_bytes(device),
        flops.training(rows, rank=load.rank, sees_images=not is_kept) / len(rows),
        notes=(_NOTHING_KEPT,) if options.keeps_features and not is_kept else (),
    )
