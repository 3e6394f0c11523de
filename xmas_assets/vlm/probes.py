"""Trying a model on a few rows, to see which short cuts give what its own plain pass gives."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from PIL import Image

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.samples import Sample, Turn
from xmas_assets.vlm.capture import CaptureSpec
from xmas_assets.vlm.forward import ImageInputs, capture
from xmas_assets.vlm.image_inputs import Pictures, Unit
from xmas_assets.vlm.loading import Vlm
from xmas_assets.vlm.prompts import Encoded, Encoder
from xmas_assets.vlm.vision_features import feature_inputs, has_separate_tower

Kept = Literal["nothing", "features", "tower"]
"""What of an image can be kept for later batches, ever more: its features for one checkpoint, the tower's for any."""

_SIZES = {"wide": (96, 64), "tall": (40, 104)}
# Two questions on one image, one on an image of another shape, one on both, and one on none.
_QUESTIONS = (
    ("<image>What is this?", ("wide",)),
    ("<image>Are there two?", ("wide",)),
    ("<image>Is it red?", ("tall",)),
    ("<image><image>Are they alike?", ("wide", "tall")),
    ("What is it?", ()),
)


def probe_rows(vlm: Vlm, pictures: Pictures) -> list[Encoded]:
    """Encode a few short conversations.

    Args:
        vlm: Whose processor encodes.
        pictures: Of that processor, over ``draw_probe``.
    """
    return Encoder.of(vlm, pictures, max_tokens=1 << 16).encode(probe_samples())[0]


def probe_samples() -> list[Sample]:
    """A few short conversations that answer 'Yes.'; an image's name is its hash."""
    return [
        Sample(text, (Turn("user", text), Turn("assistant", "Yes.")), images, images) for text, images in _QUESTIONS
    ]


def draw_probe(name: str, _content_hash: str) -> Image.Image:
    """The picture of a probe: smooth, and different in all its parts."""
    width, height = _SIZES[name]
    red = Image.linear_gradient("L").resize((width, height))
    green = Image.radial_gradient("L").resize((width, height))
    return Image.merge("RGB", (red, green, red.transpose(Image.Transpose.ROTATE_180)))


def kept_of_images(vlm: Vlm, rows: Sequence[Encoded], pictures: Pictures) -> Kept:
    """What of an image can be kept.

    Args:
        vlm: The model.
        rows: What it is tried on.
        pictures: Of the rows.
    """
    units = list(dict.fromkeys(unit for row in rows for unit in row.units))
    of_tower = has_separate_tower(vlm, [pictures.half(unit) for unit in units])

    def features(chosen: Sequence[Unit]) -> dict[str, Any]:
        return feature_inputs(vlm, chosen, pictures, of_tower=of_tower)

    if not gives_the_same(vlm, rows, pictures.inputs, features):
        return "nothing"
    return "tower" if of_tower else "features"


def gives_the_same(
    vlm: Vlm, rows: Sequence[Encoded], plain: ImageInputs, images: ImageInputs, *, is_packed: bool = False
) -> bool:
    """Whether a short cut gives what the model's own padded pass on pixels gives.

    Packing does not where text changes what stands before it: image tokens that see the question, a sliding window.

    Args:
        vlm: The model.
        rows: What it is tried on.
        plain: Gives the images' own inputs.
        images: Gives what stands in for them.
        is_packed: Whether rows on the same images share their common beginning.
    """
    spec = CaptureSpec(hidden_states=(vlm.model.get_decoder().config.num_hidden_layers,))
    expected = capture(vlm, rows, spec, plain, is_packed=False)
    try:
        found = capture(vlm, rows, spec, images, is_packed=is_packed)
    except (ModelError, ValueError, TypeError, AttributeError, RuntimeError, IndexError):
        return False  # a family that has no such way
    (one,), (other,) = expected.hidden_states.values(), found.hidden_states.values()
    # A pass that differs in kind moves tokens by much of their length; rounding, through many layers, by a few of its
    # last digits. Each token counts alike, and no channel hides the others.
    tolerance = max(8 * torch.finfo(one.dtype).eps, 1e-3)
    apart = (one.float() - other.float()).norm(dim=-1) / one.float().norm(dim=-1)
    return bool(apart[expected.is_real].square().mean().sqrt() <= tolerance)
