"""What a forward pass may show besides its output, and what was asked of it; one contract for makers and readers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from torch import Tensor

from xmas_assets.vlm.grids import Layout

Definition = Literal["causal", "reference"]
Layer = int | Literal["sum"]
# As transformers' configs name the types of layers.
_WITHOUT_MATRIX = {"linear_attention", "mamba", "conv", "moe"}


def attention_layers(language_config: Any) -> tuple[int, ...]:
    """The decoder layers (from 0) that have an attention matrix; others are convolutions or linear attention."""
    kinds = getattr(language_config, "layer_types", None) or ["attention"] * language_config.num_hidden_layers
    return tuple(number for number, kind in enumerate(kinds) if kind not in _WITHOUT_MATRIX)


@dataclass(frozen=True)
class CaptureSpec:
    """What a forward pass must show; what is not wanted is not computed, and layers behind the last need not run.

    Attributes:
        attention: Which cross-modal attention, if any.
        attention_layers: Of which decoder layers (from 0); ``"sum"`` for the sum over all of them.
        block_outputs: Decoder layers (from 0) whose self-attention output (before the residual is added) is kept.
        hidden_states: Which hidden states are kept: 0 for the embeddings, i for the output of the i-th decoder layer
            (the last one after the final norm), as ``transformers`` numbers ``hidden_states``. What a model adds behind
            a layer (Qwen3-VL: more image features) is in it.
        logits: Whether the answer tokens' logits are kept.
        lone_logits: Whether those of the answers on their own, without image and prompt, are (a second, short pass).
        places: Whether the image tokens' places in the picture are used, where they are known.
    """

    attention: Definition | None = None
    attention_layers: tuple[Layer, ...] = ("sum",)
    block_outputs: tuple[int, ...] = ()
    hidden_states: tuple[int, ...] = ()
    logits: bool = False
    lone_logits: bool = False
    places: bool = False


@dataclass(frozen=True)
class Attention:
    """Cross-modal attention of a batch, mean over heads.

    Attributes:
        layers: Per layer wanted, shape (batch, most rows, most columns), float32, zeros beyond a sample's own.
        rows: Positions of the text tokens after the first image token, shape (batch, most rows); any position beyond.
        is_row: Which of them are a sample's own, shape (batch, most rows).
        columns: Positions of the image tokens, shape (batch, most columns).
        is_column: Which of them are a sample's own.
        image_numbers: Which of the sample's images a column belongs to, from 0, shape (batch, most columns).
        layouts: Of each sample's images, where their columns lie in the picture.
    """

    layers: Mapping[Layer, Tensor]
    rows: Tensor
    is_row: Tensor
    columns: Tensor
    is_column: Tensor
    image_numbers: Tensor
    layouts: Sequence[tuple[Layout, ...]]


@dataclass(frozen=True)
class Logits:
    """The model's predictions of a batch's answer tokens.

    Attributes:
        values: Shape (batch, most answer tokens, vocabulary), float32.
        targets: The true tokens, shape (batch, most answer tokens), int64.
        is_target: Which of them are a sample's own, shape (batch, most answer tokens).
    """

    values: Tensor
    targets: Tensor
    is_target: Tensor


@dataclass(frozen=True)
class Captured:
    """What was seen of a batch, right-padded, whatever was shared between samples on the way.

    Attributes:
        input_ids: Shape (batch, n_tokens), int64.
        is_real: False at padding, shape (batch, n_tokens).
        is_image: Whether a token stands for a piece of an image, shape (batch, n_tokens).
        is_answer: Whether a token belongs to an answer, shape (batch, n_tokens).
        attention: If wanted; zero columns for samples without an image.
        block_outputs: Per layer wanted, shape (batch, n_tokens, width), in the model's precision.
        hidden_states: Per state wanted, shape (batch, n_tokens, width), in the model's precision.
        logits: If wanted.
        lone_logits: If wanted.
    """

    input_ids: Tensor
    is_real: Tensor
    is_image: Tensor
    is_answer: Tensor
    attention: Attention | None = None
    block_outputs: Mapping[int, Tensor] = field(default_factory=dict)
    hidden_states: Mapping[int, Tensor] = field(default_factory=dict)
    logits: Logits | None = None
    lone_logits: Logits | None = None

    def only(self, spec: CaptureSpec) -> "Captured":
        """The part that one spec names, in its order, without what was captured for others."""
        attention = None
        if self.attention is not None and spec.attention is not None:
            layers = {layer: self.attention.layers[layer] for layer in spec.attention_layers}
            attention = replace(self.attention, layers=layers)
        return replace(
            self,
            attention=attention,
            block_outputs={layer: self.block_outputs[layer] for layer in spec.block_outputs},
            hidden_states={number: self.hidden_states[number] for number in spec.hidden_states},
            logits=self.logits if spec.logits else None,
            lone_logits=self.lone_logits if spec.lone_logits else None,
        )
