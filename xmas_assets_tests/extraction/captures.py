"""What ``transformers`` itself shows of a small random model: attentions, hidden states, logits, in our contract."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from xmas_assets.vlm.capture import Attention, Captured, Logits
from xmas_assets.vlm.grids import Layout, View
from xmas_assets_tests.vlm.models import IMAGE_ID, N_IMAGE_TOKENS, make_batch, make_sequences, make_vlm

DEPTH, WIDTH = 3, 32
SQUARE = (View(0, (1, 1), (4, 4)),)
N_ANSWER_TOKENS = 5
BOS = 1


def make_model() -> Any:
    return make_vlm(attention="eager").model


def sequences() -> list[list[int]]:
    """With one image, with two, of two turns, and without any; each ends in an answer of ``N_ANSWER_TOKENS``."""
    return [*make_sequences().values(), [BOS, 9, 8, 7, 30, 31, 32, 33, 34]]


def marks(chosen: list[list[int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Which tokens of a right-padded batch are real, are of an image, are of an answer."""
    lengths = torch.tensor([len(sequence) for sequence in chosen])[:, None]
    places = torch.arange(int(lengths.max()))
    is_real = places < lengths
    ids = torch.tensor([sequence + [0] * (len(places) - len(sequence)) for sequence in chosen])
    return is_real, ids == IMAGE_ID, is_real & (places >= lengths - N_ANSWER_TOKENS)


@torch.inference_mode()
def capture(model: Any, chosen: list[list[int]]) -> Captured:
    """Everything that a signal may want of a batch."""
    batch = make_batch(chosen)
    is_real, is_image, is_answer = marks(chosen)
    blocks: list[Tensor] = []
    attentions = [layer.self_attn for layer in model.get_decoder().layers]
    hooks = [module.register_forward_hook(lambda _m, _i, output: blocks.append(output[0])) for module in attentions]
    output = model(**batch, output_attentions=True, output_hidden_states=True)
    for hook in hooks:
        hook.remove()
    return Captured(
        input_ids=batch["input_ids"],
        is_real=is_real,
        is_image=is_image,
        is_answer=is_answer,
        attention=cut_attention(torch.stack(output.attentions).mean(2), is_real, is_image),
        block_outputs=dict(enumerate(blocks)),
        hidden_states=dict(enumerate(output.hidden_states)),
        logits=answer_logits(output.logits, batch["input_ids"], is_answer),
        lone_logits=_lone_logits(model, [sequence[-N_ANSWER_TOKENS:] for sequence in chosen]),
    )


def cut_attention(
    per_layer: Tensor,
    is_real: Tensor,
    is_image: Tensor,
    *,
    n_image_tokens: Sequence[int] = (N_IMAGE_TOKENS,) * 2,
    layouts: Sequence[Layout] = (SQUARE,) * 2,
) -> Attention:
    """Text rows after the first image, and image columns, of full matrices (n_layers, batch, n_tokens, n_tokens)."""
    is_text = is_real & ~is_image & (is_image.cumsum(1) > 0)
    rows, is_row = _places(is_text)
    columns, is_column = _places(is_image)
    cut = torch.zeros(*per_layer.shape[:2], rows.shape[1], columns.shape[1])
    for number in range(len(is_real)):
        own = per_layer[:, number][:, is_text[number]][:, :, is_image[number]]
        cut[:, number, : own.shape[1], : own.shape[2]] = own
    numbers = torch.tensor([image for image, count in enumerate(n_image_tokens) for _ in range(count)])
    own_layouts = [tuple(layouts[: len(numbers[: int(n)].unique())]) for n in is_image.sum(1)]
    numbers = numbers[: columns.shape[1]].expand(columns.shape)
    layers = {**dict(enumerate(cut)), "sum": cut.sum(0)}
    return Attention(layers, rows, is_row, columns, is_column, numbers, own_layouts)


def answer_logits(values: Tensor, ids: Tensor, is_answer: Tensor) -> Logits:
    """Of full logits, those at the tokens before answer tokens."""
    places, is_target = _places(is_answer)
    before = values.gather(1, (places - 1).clamp(min=0)[:, :, None].expand(-1, -1, values.shape[2]))
    return Logits(before, ids.gather(1, places), is_target)


def _lone_logits(model: Any, answers: list[list[int]]) -> Logits:
    ids = torch.tensor([[BOS, *answer] for answer in answers])
    is_answer = torch.ones_like(ids, dtype=torch.bool)
    is_answer[:, 0] = False
    return answer_logits(model(input_ids=ids).logits, ids, is_answer)


def _places(chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Positions of the true entries, filled up with position 0, and which are no filling."""
    lists = [row.nonzero()[:, 0].tolist() for row in chosen]
    most = max(map(len, lists))
    places = torch.tensor([row + [0] * (most - len(row)) for row in lists], dtype=torch.int64).view(len(lists), most)
    return places, torch.arange(most) < chosen.sum(1, keepdim=True)
