"""What is read of every family is what its model shows of each row alone, however the rows come before it."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoModelForImageTextToText

from xmas_assets.extraction.passes import _look_at
from xmas_assets.vlm.capture import Captured, CaptureSpec
from xmas_assets.vlm.forward import ImageInputs, capture
from xmas_assets.vlm.packing import beginning
from xmas_assets.vlm.vision_features import ImageFeatures
from xmas_assets_tests.families.worlds import CONVERSATIONS, World, own_call

DEPTH = 3
#: Families in which nothing up to an image depends on what is asked about it, and no window slides.
CAUSAL = {
    *("llava", "llava_next", "llava_onevision", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "smolvlm", "idefics3"),
    *("internvl", "mistral3", "pixtral", "glm4v", "ovis2"),
}
#: The layers that have an attention matrix, where not all have.
ATTENTION_LAYERS = {"qwen3_5": (2,)}
NAMES = list(CONVERSATIONS)


class Shown(NamedTuple):
    """What transformers shows of one row, run alone with eager attention.

    Attributes:
        attentions: By layer, mean over heads, shape (n_tokens, n_tokens).
        hidden_states: As ``transformers`` numbers them, shape (n_tokens, width).
        blocks: What each layer's first part adds, shape (n_tokens, width).
        logits: Shape (n_tokens, vocabulary).
    """

    attentions: dict[int, Tensor]
    hidden_states: list[Tensor]
    blocks: list[Tensor]
    logits: Tensor


@pytest.fixture(scope="session")
def eager(world: World) -> Any:
    return AutoModelForImageTextToText.from_pretrained(world.directory, attn_implementation="eager").eval()


@pytest.fixture(scope="session")
def shown(world: World, eager: Any) -> dict[str, Shown]:
    return {name: show(eager, own_call(world, CONVERSATIONS[name]), world.family) for name in NAMES}


@torch.inference_mode()
def show(model: Any, inputs: dict[str, Tensor], family: str) -> Shown:
    blocks: list[Tensor] = []
    layers = model.get_decoder().layers
    parts = [getattr(layer, "self_attn", None) or layer.linear_attn for layer in layers]
    hooks = [part.register_forward_hook(lambda _m, _i, out: blocks.append(first(out)[0])) for part in parts]
    output = model(**inputs, output_attentions=True, output_hidden_states=True)
    for hook in hooks:
        hook.remove()
    states = [state[0] for state in output.hidden_states]
    if family == "qwen3_vl" and "pixel_values" in inputs:  # adds features behind layer 0, which is not shown
        features = model.get_image_features(inputs["pixel_values"], inputs["image_grid_thw"]).deepstack_features
        states[1][inputs["input_ids"][0] == model.config.image_token_id] += torch.cat(list(features[0]))
    numbers = ATTENTION_LAYERS.get(family, range(DEPTH))
    attentions = {number: matrix[0].mean(0) for number, matrix in zip(numbers, output.attentions, strict=True)}
    return Shown(attentions, states, blocks, output.logits[0])


def first(output: Any) -> Tensor:
    return output if isinstance(output, Tensor) else output[0]


def spec_of(family: str) -> CaptureSpec:
    """Everything that a signal can want."""
    return CaptureSpec(
        attention="causal",
        attention_layers=(*ATTENTION_LAYERS.get(family, range(DEPTH)), "sum"),
        block_outputs=tuple(range(DEPTH)),
        hidden_states=tuple(range(DEPTH + 1)),
        logits=True,
        lone_logits=True,
    )


def see(
    world: World, names: Sequence[str] = NAMES, images: ImageInputs | None = None, *, is_packed: bool = False
) -> Captured:
    rows = [world.rows[name] for name in names]
    return capture(world.vlm, rows, spec_of(world.family), images or world.pictures.inputs, is_packed=is_packed)


@pytest.fixture(scope="session")
def seen(world: World) -> Captured:
    """All conversations in one padded batch, on pixels."""
    return see(world)


def close(found: Tensor, expected: Tensor) -> None:
    largest = expected.abs().max().item() if expected.numel() else 0.0
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * max(1.0, largest))


def test_attention_of_text_to_images_is_that_of_the_eager_model(world: World, shown: dict[str, Shown], seen: Captured):
    attention = seen.attention
    assert attention is not None
    for number, name in enumerate(NAMES):
        is_image = world.rows[name].is_image
        rows, columns = np.flatnonzero(~is_image & (is_image.cumsum() > 0)), np.flatnonzero(is_image)
        expected: dict[Any, Tensor] = {
            layer: matrix[rows][:, columns] for layer, matrix in shown[name].attentions.items()
        }
        expected["sum"] = torch.stack(list(expected.values())).sum(0)
        for layer, matrices in attention.layers.items():
            close(matrices[number, : len(rows), : len(columns)], expected[layer])
            assert not matrices[number, len(rows) :].any()
            assert not matrices[number, :, len(columns) :].any()


def test_states_blocks_and_predictions_are_those_of_the_eager_model(
    world: World, shown: dict[str, Shown], seen: Captured
):
    assert seen.logits is not None
    for number, name in enumerate(NAMES):
        expected, n_tokens = shown[name], len(world.rows[name].input_ids)
        for layer, states in seen.hidden_states.items():
            close(states[number, :n_tokens], expected.hidden_states[layer])
        for layer, states in seen.block_outputs.items():
            close(states[number, :n_tokens], expected.blocks[layer])
        answers = np.flatnonzero(world.rows[name].is_answer)
        is_target = seen.logits.is_target[number]
        assert seen.logits.targets[number][is_target].tolist() == world.rows[name].input_ids[answers].tolist()
        close(seen.logits.values[number][is_target], expected.logits[answers - 1])


def test_answers_alone_are_predicted_behind_the_first_token_that_is_no_image(world: World, eager: Any, seen: Captured):
    assert seen.lone_logits is not None
    for number, name in enumerate(NAMES):
        row = world.rows[name]
        ids = [int(row.input_ids[~row.is_image][0]), *row.input_ids[row.is_answer].tolist()]
        kinds = {kind: torch.tensor([[0, *values[row.is_answer]]]) for kind, values in row.per_token.items()}
        with torch.inference_mode():
            expected = eager(input_ids=torch.tensor([ids]), **kinds).logits[0, :-1]
        is_target = seen.lone_logits.is_target[number]
        assert seen.lone_logits.targets[number][is_target].tolist() == ids[1:]
        close(seen.lone_logits.values[number][is_target], expected)


def assert_same(found: Captured, expected: Captured, places: Sequence[int]) -> None:
    """Everything of the rows of a batch that stand at some places in another."""
    for number, place in enumerate(places):
        own, other = everything(found, number), everything(expected, place)
        assert own.keys() == other.keys()
        for key, values in own.items():
            close(values, other[key])


def everything(captured: Captured, number: int) -> dict[str, Tensor]:
    """All that was seen of one row, without filling."""
    attention, n_tokens = captured.attention, captured.is_real[number].sum()
    assert attention is not None
    assert captured.logits is not None
    assert captured.lone_logits is not None
    n_rows, n_columns = attention.is_row[number].sum(), attention.is_column[number].sum()
    return {
        **{f"attention {layer}": values[number, :n_rows, :n_columns] for layer, values in attention.layers.items()},
        **{f"block {layer}": values[number, :n_tokens] for layer, values in captured.block_outputs.items()},
        **{f"state {layer}": values[number, :n_tokens] for layer, values in captured.hidden_states.items()},
        "logits": captured.logits.values[number][captured.logits.is_target[number]],
        "lone logits": captured.lone_logits.values[number][captured.lone_logits.is_target[number]],
    }


def test_neither_batch_mates_nor_order_change_what_is_seen(world: World, seen: Captured):
    for names in (NAMES[::-1], NAMES[1::2], *([name] for name in NAMES)):
        assert_same(see(world, names), seen, [NAMES.index(name) for name in names])


def test_short_cuts_that_the_probe_allows_give_the_same(world: World, seen: Captured):
    look = _look_at(world.vlm)
    assert look.kept != "nothing"
    assert look.can_pack == (world.family in CAUSAL)
    units = [unit for row in world.rows.values() for unit in row.units]
    for of_tower in {False, look.kept == "tower"}:
        features = ImageFeatures(of_tower=of_tower).add_all(world.vlm, units, world.pictures)
        for is_packed in {False, look.can_pack}:
            found = see(world, images=partial(features.inputs, world.vlm), is_packed=is_packed)
            assert_same(found, seen, range(len(NAMES)))


def test_the_conversations_share_beginnings(world: World):
    """Else packing them would show nothing."""
    assert beginning(world.rows["one"]) == beginning(world.rows["talk"])
