"""What a warm-up checkpoint holds for gradients: its LoRA layers, and Adam's state when it was saved."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from xmas_assets.contracts.errors import ModelError
from xmas_assets.files.model_content import read_model_json
from xmas_assets.vlm.loading import ADAPTER_FILE

ADAM_FILE = "adam.safetensors"
_WEIGHT = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<part>[AB])(?:\.default)?\.weight")


class LoraLayer(NamedTuple):
    """The update ``scale * up @ down`` of one linear layer's weight; ``A`` and ``B`` in the paper.

    Attributes:
        down: Shape (rank, n_in), float32.
        up: Shape (n_out, rank), float32.
        scale: Alpha / rank.
    """

    down: Tensor
    up: Tensor
    scale: float


class AdamState(NamedTuple):
    """Adam's state after a step of training.

    Attributes:
        step: Steps taken.
        learning_rate: Mean learning rate of the steps since the checkpoint before.
        betas: Shares that the running means keep.
        epsilon: Added to the root.
        moments: Running means of gradients and of their squares by linear layer, each of shape (2, n_weights), the
            weights of ``down`` before those of ``up``; float32.
    """

    step: int
    learning_rate: float
    betas: tuple[float, float]
    epsilon: float
    moments: dict[str, Tensor]


def read_lora(directory: Path, device: torch.device | str) -> dict[str, LoraLayer]:
    """Read an adapter's layers by the name that the linear layer has in the whole model.

    Raises:
        ModelError: If there are none.
    """
    config = read_model_json(directory / ADAPTER_FILE)
    parts: dict[str, dict[str, Tensor]] = {}
    for name, weight in load_file(directory / "adapter_model.safetensors").items():
        if match := _WEIGHT.fullmatch(name):
            parts.setdefault(match["module"], {})[match["part"]] = weight.float().to(device)
    if not parts:
        raise ModelError(f"{directory} holds no LoRA weights; give a checkpoint of the warm-up training")
    scale = config["lora_alpha"] / config["r"]
    return {module: LoraLayer(part["A"], part["B"], scale) for module, part in sorted(parts.items())}


def save_adam_state(
    directory: Path,
    weights: Iterable[tuple[str, nn.Parameter]],
    optimizer: torch.optim.Optimizer,
    *,
    learning_rate: float,
) -> None:
    """Write the optimiser's state of the LoRA weights beside the adapter.

    Args:
        directory: Of the checkpoint.
        weights: The model's trained weights by name, as peft names them; others than LoRA weights are passed over.
        optimizer: An Adam that has taken a step.
        learning_rate: Mean of the steps since the checkpoint before.
    """
    group = optimizer.param_groups[0]
    tensors = {"learning_rate": torch.tensor(learning_rate, dtype=torch.float64)}
    tensors["betas"] = torch.tensor(group["betas"], dtype=torch.float64)
    tensors["epsilon"] = torch.tensor(group["eps"], dtype=torch.float64)
    for name, weight in weights:
        if match := _WEIGHT.fullmatch(name):
            state = optimizer.state[weight]
            tensors["step"] = torch.tensor(int(state["step"]))
            moments = torch.stack([state["exp_avg"].flatten(), state["exp_avg_sq"].flatten()])
            tensors[f"{match['module']}.lora_{match['part']}"] = moments.float().cpu()
    save_file(tensors, directory / ADAM_FILE)


def read_adam_state(directory: Path, device: torch.device | str) -> AdamState:
    """Read what ``save_adam_state`` wrote.

    Raises:
        ModelError: If the checkpoint has none.
    """
    path = directory / ADAM_FILE
    if not path.is_file():
        raise ModelError(f"{directory} lacks {ADAM_FILE}, Adam's state; give a checkpoint of the warm-up training")
    tensors = load_file(path)
    modules = sorted(name.removesuffix(".lora_A") for name in tensors if name.endswith(".lora_A"))
    moments = {
        module: torch.cat([tensors[f"{module}.lora_A"], tensors[f"{module}.lora_B"]], dim=1).to(device)
        for module in modules
    }
    first_beta, second_beta = tensors["betas"].tolist()
    return AdamState(
        int(tensors["step"]),
        float(tensors["learning_rate"]),
        (first_beta, second_beta),
        float(tensors["epsilon"]),
        moments,
    )
