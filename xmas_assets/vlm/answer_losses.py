"""How well a model predicts given answers."""

from collections.abc import Sequence

import torch

from xmas_assets.vlm.capture import CaptureSpec
from xmas_assets.vlm.forward import capture
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.loading import Vlm
from xmas_assets.vlm.prompts import Encoded


def answer_losses(vlm: Vlm, rows: Sequence[Encoded], pictures: Pictures) -> list[float]:
    """The mean loss over each row's answer tokens, end tokens included, in nats; rows stand side by side, padded.

    Args:
        vlm: The model.
        rows: Each with an answer.
        pictures: Gives the images' inputs.

    Raises:
        ModelError: If a prediction is not finite.
    """
    logits = capture(vlm, rows, CaptureSpec(logits=True), pictures.inputs, is_packed=False).logits
    assert logits is not None
    targets = torch.where(logits.is_target, logits.targets, 0)
    right = logits.values.log_softmax(-1).gather(2, targets[:, :, None])[:, :, 0].double()
    return (-right.masked_fill(~logits.is_target, 0).sum(1) / logits.is_target.sum(1)).tolist()
