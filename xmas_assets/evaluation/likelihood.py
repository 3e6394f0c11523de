"""Answering a question with the option that a model finds most likely, in place of letting it speak."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from xmas_assets.contracts.progress import Progress, ProgressCallback
from xmas_assets.contracts.samples import Sample, Turn
from xmas_assets.contracts.settings import BenchmarkSettings
from xmas_assets.evaluation.answers import Reply
from xmas_assets.vlm.answer_losses import answer_losses
from xmas_assets.vlm.devices import model_work
from xmas_assets.vlm.image_inputs import OpenImage, Pictures
from xmas_assets.vlm.loading import Vlm
from xmas_assets.vlm.prompts import Encoder


def likeliest_options(
    vlm: Vlm,
    samples: Sequence[Sample],
    open_image: OpenImage,
    settings: BenchmarkSettings,
    *,
    options: Sequence[Mapping[str, str]],
    max_tokens: int,
    progress: ProgressCallback | None = None,
) -> list[Reply]:
    """Answer each question by the letter of the option with the least loss; of equal ones, by the first.

    Args:
        vlm: The model.
        samples: Questions of one user and one assistant turn, whose text is not read.
        open_image: Gives the picture of a reference and content hash.
        settings: Options per forward pass, and threads.
        options: Of each question, texts by letter.
        max_tokens: Longest prompt with an option, tokens.
        progress: Called after each batch of options.

    Returns:
        In the order of ``samples``. A question of which one option cannot be read whole is not asked.

    Raises:
        ImageError: If ``open_image`` refuses a picture.
    """
    losses, left_out = option_losses(
        vlm, samples, open_image, settings, options=options, max_tokens=max_tokens, progress=progress
    )
    replies = []
    for sample, texts in zip(samples, options, strict=True):
        reasons = [left_out[name] for name in _names(sample, texts) if name in left_out]
        of_options = {letter: losses.get(f"{sample.sample_id}#{letter}") for letter in texts}
        known = {letter: loss for letter, loss in of_options.items() if loss is not None}
        replies.append(Reply(None, left_out=reasons[0]) if reasons else Reply(min(known, key=known.__getitem__)))
    return replies


def option_losses(
    vlm: Vlm,
    samples: Sequence[Sample],
    open_image: OpenImage,
    settings: BenchmarkSettings,
    *,
    options: Sequence[Mapping[str, str]],
    max_tokens: int,
    progress: ProgressCallback | None = None,
) -> tuple[dict[str, float], dict[str, str]]:
    """Loss of each option as the answer, and why an option has none, by ``sample_id#letter``; as ``likeliest_options``.

    The loss is the mean over the option's tokens and the end token, in nats, as in SEED-Bench's script for LLaVA
    (``SEED-Bench-2/model/llava_v2_interface.py`` of AILab-CVC/SEED-Bench).
    """
    pictures = Pictures(vlm.processor, open_image)
    encoder = Encoder.of(vlm, pictures, max_tokens=max_tokens)
    answered = [
        replace(sample, sample_id=name, turns=(sample.turns[0], Turn("assistant", text)), loss_weights=())
        for sample, texts in zip(samples, options, strict=True)
        for name, text in zip(_names(sample, texts), texts.values(), strict=True)
    ]
    rows, reasons = encoder.encode(answered)
    left_out = {name: reason.value for name, reason in reasons.items()}
    left_out |= {row.sample_id: "too_long" for row in rows if row.is_cut}  # whose loss would leave its end out
    whole = sorted((row for row in rows if not row.is_cut), key=lambda row: (len(row.input_ids), row.image_hashes))
    losses: dict[str, float] = {}
    with model_work(settings.threads):
        for first in range(0, len(whole), settings.batch_size):
            batch = whole[first : first + settings.batch_size]
            losses |= zip((row.sample_id for row in batch), answer_losses(vlm, batch, pictures), strict=True)
            if progress is not None:
                progress(Progress(len(losses), len(whole)))
    return losses, left_out


def _names(sample: Sample, options: Mapping[str, str]) -> list[str]:
    return [f"{sample.sample_id}#{letter}" for letter in options]
