"""Which of a model's weights a fine-tuning run trains, and how they are saved: whole model, or LoRA adapter."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from torch import nn
from transformers import PreTrainedModel

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.settings import LoraSettings
from xmas_assets.files.model_content import read_model_json
from xmas_assets.vlm.answers import answer_logits
from xmas_assets.vlm.families import family_of
from xmas_assets.vlm.loading import (
    ADAPTER_FILE,
    BASE_NOTE,
    EXTRA_FILE,
    Vlm,
    copy_processor,
    extra_parameters,
    quiet_peft,
)
from xmas_assets.vlm.quantization import is_quantized

OBJECTIVE = "objective"
"""Name under which an ``Objective`` is trained as a part of the model; a saved model is without it."""


def prepare_training(vlm: Vlm, lora: LoraSettings | None, *, recompute_layers: bool = False) -> Any:
    """Freeze the vision tower and open the rest for training: all of it, or the connector plus LoRA adapters.

    Trained weights are held in float32, since steps of 2e-5 would be lost in bfloat16.

    Args:
        vlm: The model; it is changed.
        lora: Adapters on the linear layers of the language model, or None to train that as a whole.
        recompute_layers: Keep a layer's input only, and run the layer again for its gradients.

    Returns:
        The model to train: ``vlm.model`` itself, or a ``PeftModel`` around it.

    Raises:
        ModelError: If the model has no vision tower of its own, cannot recompute its layers, or quantised weights would
            have to be trained.
    """
    model = vlm.model
    if recompute_layers and not model.supports_gradient_checkpointing:
        raise ModelError(f"{model.config.model_type} cannot recompute its layers; set gradient_checkpointing to false")
    if is_quantized(model) and lora is None:
        raise ModelError(f"{vlm.directory}: quantised weights are trained with adapters only; set lora")
    tower = model.get_encoder(modality="image")
    if tower is model.base_model or tower is model:
        raise ModelError(f"{vlm.directory}: no vision tower was found in {type(model).__name__}; use another model")
    connectors = _connectors(model, tower)
    _freeze_towers(model, tower, connectors.values())
    if lora is not None:
        with quiet_peft():
            model = get_peft_model(model, _lora_config(model, list(connectors), lora))
        for _, weight in extra_parameters(model.get_base_model()):
            weight.requires_grad_(True)
    for _, weight in trained_weights(model):
        weight.data = weight.data.float()
    if recompute_layers:
        # Reentrant, it would need inputs with gradients.
        vlm.model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    return model


def _freeze_towers(model: Any, tower: nn.Module, connectors: Iterable[nn.Module]) -> None:
    """Open all weights but those of towers and those that are quantised."""
    for weight in model.parameters():
        weight.requires_grad_(weight.is_floating_point())
    for module in model.base_model.children():
        if isinstance(module, PreTrainedModel) and module is not model.get_decoder():
            module.requires_grad_(False)
    tower.requires_grad_(False)
    for module in connectors:  # some are parts of the tower
        module.requires_grad_(True)


def save_trained(
    model: Any,
    directory: Path,
    *,
    vlm: Vlm,
    dtype: torch.dtype,
    base_digest: str,
    gathered: dict[str, torch.Tensor] | None = None,
) -> None:
    """Write the weights as safetensors: a whole model with its processor, or an adapter with a note of its base.

    Args:
        model: As ``prepare_training`` made it.
        directory: Where to write; exists and is empty.
        vlm: The model that training began with.
        dtype: Type to save a whole model's weights in; adapters stay float32.
        base_digest: ``model_digest`` of the base.
        gathered: All weights by name, where the model's own are split among processes.

    Raises:
        ModelError: If a weight is not finite.
    """
    trained = {name: weight if gathered is None else gathered[name] for name, weight in trained_weights(model)}
    bad = [name for name, weight in trained.items() if not weight.isfinite().all()]
    if bad:
        raise ModelError(f"training made weights that are not finite: {bad[:3]}; lower the learning rate")
    if isinstance(model, PeftModel):
        model.save_pretrained(str(directory))
        extra = {name: weight.data.contiguous() for name, weight in extra_parameters(model.get_base_model())}
        if extra:
            save_file(extra, directory / EXTRA_FILE)
        # peft writes the base's path on this machine into both; ours is known by its digest.
        config = read_model_json(directory / ADAPTER_FILE) | {"base_model_name_or_path": None}
        (directory / ADAPTER_FILE).write_text(json.dumps(config, indent=1, sort_keys=True), encoding="utf-8")
        (directory / "README.md").unlink(missing_ok=True)
        (directory / BASE_NOTE).write_text(json.dumps({"digest": base_digest}), encoding="utf-8")
    else:
        weights = {
            name: weight.to(dtype)
            for name, weight in (model.state_dict() if gathered is None else gathered).items()
            if not name.startswith(f"{OBJECTIVE}.")
        }
        model.save_pretrained(directory, state_dict=weights)
        copy_processor(vlm.directory, directory)


def trained_weights(model: Any) -> list[tuple[str, nn.Parameter]]:
    """Names and values of the weights that training changes, each once (tied ones share a name)."""
    return [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]


def _connectors(model: Any, tower: nn.Module) -> dict[str, nn.Module]:
    """What stands between vision tower and language model, by name: next to the tower, or a part of it."""
    decoder = model.get_decoder()
    children = dict(model.base_model.named_children())
    # Other models next to the language model are towers, too: of sound, or for high resolution.
    beside = {name: module for name, module in children.items() if not isinstance(module, PreTrainedModel)}
    beside = {name: module for name, module in beside.items() if module is not tower and module is not decoder}
    tower_name = next(name for name, module in model.base_model.named_modules() if module is tower)
    inside = family_of(model.config.model_type).connectors
    parts = {f"{tower_name}.{name}": tower.get_submodule(name) for name in inside if hasattr(tower, name)}
    return {name: module for n, m in (beside | parts).items() for name, module in _runnable(n, m)}


def _runnable(name: str, module: nn.Module) -> list[tuple[str, nn.Module]]:
    """A module by its name, or the members of a list, which is never run itself: peft replaces only what runs."""
    if not isinstance(module, nn.ModuleList):
        return [(name, module)]
    return [found for number, member in enumerate(module) for found in _runnable(f"{name}.{number}", member)]


def _lora_config(model: Any, connectors: list[str], lora: LoraSettings) -> LoraConfig:
    decoder = model.get_decoder()
    names = {module: name for name, module in model.named_modules()}
    linear = sorted({n.rpartition(".")[2] for n, m in decoder.named_modules() if isinstance(m, nn.Linear)})
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        # A pattern, not a list: peft keeps lists as sets, whose order would change the saved bytes.
        target_modules=rf"{re.escape(names[decoder])}\..*\.({'|'.join(linear)})",
        modules_to_save=connectors,
    )


def answer_loss(model: Any, inputs: dict[str, torch.Tensor], n_answer_tokens: torch.Tensor | int) -> torch.Tensor:
    """Weighted cross-entropy of the answer tokens, summed over the batch and divided by ``n_answer_tokens``.

    With weights w of the tokens, a step lowers sum(w * loss) / sum(w): the mean over its answer tokens, in which one of
    weight 2 counts as two. Tokens of weight 0 are context, and in neither sum; twice the weight for every token of a
    step changes nothing. The mean is that of the optimiser step, not of a row or a forward pass.

    The vocabulary layer runs on the positions before answer tokens only: equal to the model's own loss, at a third
    less time for short answers.

    Args:
        model: A causal language model of transformers, or a ``PeftModel`` around one.
        inputs: As from ``vlm.batches.collate``.
        n_answer_tokens: Of the whole optimiser step, which may be several forward passes; the sum of their weights
            where some are not 1.
    """
    inner: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    answers = answer_logits(inner, inputs)
    if answers.weights is not None:
        return (answers.losses() * answers.weights).sum() / n_answer_tokens
    return nn.functional.cross_entropy(answers.values, answers.targets, reduction="sum") / n_answer_tokens
