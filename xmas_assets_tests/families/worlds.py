"""Conversations of every kind for the suite over families, and what each family's own processor makes of them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from xmas_assets.contracts.samples import Sample, Turn
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.loading import Vlm, load_vlm
from xmas_assets.vlm.prompts import Encoded, Encoder

#: Width and height of the pictures.
SIZES = {"square": (40, 40), "wide": (120, 40), "tall": (40, 150), "large": (300, 250)}
#: Families whose directories on the hub have no chat template.
WITHOUT_TEMPLATE = {"paligemma", "paligemma2"}
#: Families whose processor sets a row's images behind each other along axis 1; ours stand along axis 0, and the model
#: reads both alike.
IMAGES_ALONG_AXIS_1 = {"smolvlm", "idefics3"}


class World(NamedTuple):
    """A tiny model of a family, and the conversations as its rows, by name."""

    family: str
    directory: Path
    vlm: Vlm
    pictures: Pictures
    encoder: Encoder
    rows: dict[str, Encoded]


def draw(reference: str, content_hash: str = "") -> Image.Image:
    """A picture of coarse spots, of a size in ``SIZES``."""
    seed = int(hashlib.sha256(reference.encode()).hexdigest()[:8], 16)
    spots = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(spots).resize(SIZES[reference])


def conversation(name: str, images: Sequence[str], *texts: str) -> Sample:
    """A user's and an assistant's texts in turn; a picture's name serves as its hash."""
    turns = (Turn("assistant" if number % 2 else "user", text) for number, text in enumerate(texts))
    return Sample(name, tuple(turns), tuple(images), tuple(images))


_ALL = [
    conversation("one", ["square"], "<image>What is left of it?", "a red square"),
    conversation("large", ["large"], "<image>What is it?", "a map"),
    conversation("wide", ["wide"], "<image>What is it?", "a road"),
    conversation("tall", ["tall"], "<image>What is it?", "a tree, or two"),
    conversation("two", ["wide", "tall"], "<image><image>Are they alike?", "not at all"),
    conversation(
        "turns",
        ["tall", "wide"],
        "<image>What is it?",
        "a red square",
        "<image>And this? a red square?",
        "a red square",
        "How many?",
        "two",
    ),
    conversation("talk", ["square"], "<image>What is it?", "a red square", "a red square? Where?", "left"),
    conversation("text", [], "What is it?", "a red square"),
]
CONVERSATIONS = {sample.sample_id: sample for sample in _ALL}


def load_world(family: str, directory: Path) -> World:
    """Load a family's model and encode the conversations for it."""
    vlm = load_vlm(directory, BaseModelSettings())
    pictures = Pictures(vlm.processor, draw)
    encoder = Encoder.of(vlm, pictures, max_tokens=4096)
    rows, _ = encoder.encode(_ALL)
    return World(family, directory, vlm, pictures, encoder, {row.sample_id: row for row in rows})


def own_call(world: World, sample: Sample, *, as_question: bool = False) -> dict[str, Tensor]:
    """What one call of the family's own processor makes of a conversation.

    Args:
        world: Of the family.
        sample: The conversation.
        as_question: Whether it ends where the last answer is to come.

    Returns:
        Everything that the model reads.
    """
    turns = sample.turns[:-1] if as_question else sample.turns
    images = [draw(name) for name in sample.images]
    if world.family in WITHOUT_TEMPLATE:
        return _call_with_suffix(world.vlm.processor, turns, images)
    processor = world.vlm.processor
    text = processor.tokenizer.apply_chat_template(
        [{"role": turn.role, "content": _parts(turn.text)} for turn in turns],
        chat_template=processor.chat_template,
        tokenize=False,
        add_generation_prompt=as_question,
    )
    text = _ended(world.family, text, as_question=as_question)
    bos = processor.tokenizer.bos_token
    # As transformers' apply_chat_template tokenises.
    has_bos = bos is not None and text.startswith(bos)
    made = processor(text=[text], images=[images] if images else None, add_special_tokens=not has_bos, **_TENSORS)
    return {name: value for name, value in made.items() if name != "labels"}


_TENSORS: dict[str, Any] = {"return_tensors": "pt"}


def _parts(text: str) -> list[dict[str, str]]:
    n_images = text.count("<image>")
    return [{"type": "image"}] * n_images + [{"type": "text", "text": text.replace("<image>", "")}]


def _ended(family: str, text: str, *, as_question: bool) -> str:
    """The text with end tokens, for families whose template writes none: without, a model would not learn to stop.

    Nor does a prompt begin the answer's thoughts, which no dataset has.
    """
    if family == "llava":  # as LLaVA was trained: https://github.com/haotian-liu/LLaVA, conversation "v1"
        text = text.replace(" USER:", "</s>USER:")
        return text if as_question else text.rstrip() + "</s>"
    if family == "glm4v":  # between turns, the next speaker's name ends the answer
        return text.removesuffix("<think>") if as_question else text + "<|endoftext|>"
    return text


def _call_with_suffix(processor: Any, turns: Sequence[Turn], images: Sequence[Image.Image]) -> dict[str, Tensor]:
    """PaliGemma's way: the first question is the prompt; what follows its line break is the suffix."""
    first, *others = [turn.text.replace("<image>", "") for turn in turns]
    suffix = "".join(text + ("<eos>" if number % 2 == 0 else "\n") for number, text in enumerate(others))
    if images:
        ending = {"suffix": suffix.removesuffix("<eos>")} if suffix else {}
        text = processor.image_token * len(images) + first
        made = dict(processor(text=[text], images=[list(images)], **ending, **_TENSORS))
    else:  # its processor takes no row without a picture
        parts = [
            processor.tokenizer(part, add_special_tokens=False)["input_ids"] for part in (f"<bos>{first}\n", suffix)
        ]
        kinds = torch.tensor([[number for number, part in enumerate(parts) for _ in part]])
        made = {"input_ids": torch.tensor([sum(parts, [])]), "token_type_ids": kinds}
        made["attention_mask"] = torch.ones_like(made["input_ids"])
    return {name: value for name, value in made.items() if name != "labels"}
