"""How much memory a fine-tuning run takes at its peak, computed from a model's config: no weights, and no device."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import AutoModelForImageTextToText, PreTrainedConfig

from xmas_assets.contracts.settings import BaseModelSettings, TrainingSettings
from xmas_assets.training.adapters import prepare_training, trained_weights
from xmas_assets.vlm.loading import Vlm

_GRADIENT = 4  # bytes per trained weight; these are float32
# Bytes per trained weight: two averages.
_OPTIMIZER = {"adamw": 8, "adamw_8bit": 2, "paged_adamw_8bit": 2}
# Bytes per quantised weight; in nf4, 64 weights share a scale of a byte, and 256 of these a float32.
_QUANTIZED = {"int8": 1, "nf4": 1 / 2 + 1 / 64 + 4 / (64 * 256)}
_LOGIT = 12  # bytes per answer token and token of the vocabulary: float32 log-softmax, its gradient, and the logits'
_ANSWER_SHARE = 0.5


class MemoryEstimate(NamedTuple):
    """Bytes at the peak of a training step, where its backward pass begins.

    Attributes:
        weights: Of the model: trained ones in float32, frozen ones in the type of the settings, or quantised.
        gradients: Of the trained weights.
        optimizer: AdamW's two averages of each gradient, as if none were paged out.
        activations: What is kept from the forward pass for the gradients: all of the layers, or with checkpointing
            their inputs.
        transient: What is held for a moment on top: predictions of the answer tokens with their gradient, if half of
            the tokens are answers; or, if that is more, a layer that is run again.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    transient: int

    @property
    def total(self) -> int:
        """All of it, bytes. What the driver itself takes of a GPU, about half a GiB, comes on top."""
        return sum(self)


def estimate_memory(config: PreTrainedConfig, base: BaseModelSettings, training: TrainingSettings) -> MemoryEstimate:
    """Memory of training on the longest rows that the settings allow.

    The language model is built without memory, prepared as for training, and run on a micro batch in which every row
    has ``max_tokens`` tokens; what autograd would keep is counted. What the frozen vision tower takes while it runs is
    not: it is free again before the peak.

    Args:
        config: Of a vision-language model.
        base: Type of the weights, quantisation, attention, and longest row.
        training: Adapters, micro batch ('auto' counts as the one row that it goes down to), optimiser, checkpointing.

    Raises:
        ModelError: If the model has no vision tower of its own.
    """
    model = _build(config, base, training)
    n_trained = sum(weight.numel() for _, weight in trained_weights(model))
    text = config.get_text_config()
    given = training.micro_batch_size
    n_rows = 1 if given == "auto" else min(given, training.batch_size)
    n_tokens = n_rows * base.max_tokens
    logits = int(_LOGIT * _ANSWER_SHARE * n_tokens * text.vocab_size)
    layers = _kept_by_layers(model, n_rows, base)
    activations, transient = layers, logits
    if training.gradient_checkpointing:
        width = getattr(torch, base.dtype).itemsize
        # Autocast holds a copy of each trained weight until the forward pass is over.
        copies = 0 if base.dtype == "float32" else width * n_trained
        activations = text.num_hidden_layers * n_tokens * text.hidden_size * width + copies
        transient = max(logits, layers // text.num_hidden_layers)
    return MemoryEstimate(
        weights=sum(weight.nbytes for weight in model.parameters()) - _saved_by_quantizing(model, base),
        gradients=_GRADIENT * n_trained,
        optimizer=_OPTIMIZER[training.optimizer] * n_trained,
        activations=activations,
        transient=transient,
    )


def _build(config: PreTrainedConfig, base: BaseModelSettings, training: TrainingSettings) -> Any:
    """The model as training prepares it, without values."""
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(
            config,
            dtype=getattr(torch, base.dtype),
            # The others take alike, and need packages or devices that may not be here.
            attn_implementation="eager" if base.attention == "eager" else None,
        )
        vlm = Vlm(model, None, config.image_token_id, Path())
        return prepare_training(vlm, training.lora).train()


def _saved_by_quantizing(model: Any, base: BaseModelSettings) -> int:
    """Bytes that the language model's frozen linear layers take less than in the type of the settings."""
    if base.quantization == "none":
        return 0
    linear = [part.weight for part in model.get_decoder().modules() if isinstance(part, nn.Linear)]
    return sum(
        weight.nbytes - int(_QUANTIZED[base.quantization] * weight.numel())
        for weight in linear
        if not weight.requires_grad
    )


def _kept_by_layers(model: Any, n_rows: int, base: BaseModelSettings) -> int:
    """Bytes that autograd keeps of one pass through the language model, without checkpointing."""
    decoder = model.get_decoder()
    dtype = getattr(torch, base.dtype)
    with FakeTensorMode():
        _pretend_values(decoder)
        own = {_storage(weight) for weight in decoder.parameters()}
        kept: dict[int, Tensor] = {}  # by storage; the tensors are held, so that no storage's number is given twice

        def keep(values: Tensor) -> Tensor:
            if _storage(values) not in own:
                kept[_storage(values)] = values
            return values

        embedded = torch.empty(n_rows, base.max_tokens, decoder.config.hidden_size, dtype=dtype, requires_grad=True)
        with (
            torch.autograd.graph.saved_tensors_hooks(keep, lambda values: values),
            torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16),
        ):
            decoder(inputs_embeds=embedded, use_cache=False)
        return sum(values.untyped_storage().nbytes() for values in kept.values())


def _pretend_values(module: nn.Module) -> None:
    """Put tensors of the mode that is entered, which compute shapes only, in the place of those on the meta device."""
    for part in module.modules():
        for name, weight in part.named_parameters(recurse=False):
            values = torch.empty(weight.shape, dtype=weight.dtype)
            setattr(part, name, nn.Parameter(values, requires_grad=weight.requires_grad))
        for name, values in part.named_buffers(recurse=False):
            setattr(part, name, torch.empty(values.shape, dtype=values.dtype))


def _storage(values: Tensor) -> int:
    return values.untyped_storage()._cdata
