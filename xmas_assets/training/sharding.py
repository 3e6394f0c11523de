"""The loss of a model as a module, which ranks wrap: in DDP, or split among them by FSDP."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from xmas_assets.training.adapters import trained_weights
from xmas_assets.training.ranks import is_first, n_ranks

Loss = Callable[[Any, dict[str, Tensor], Tensor | int], Tensor]


class LossOf(nn.Module):
    """A model's loss as what it gives, so that what wraps the module knows of all that is computed."""

    def __init__(self, model: nn.Module, loss: Loss) -> None:
        """Take the model, and its loss of a batch and the step's number of answer tokens."""
        super().__init__()
        self.model = model
        self._loss = (loss,)  # an objective is a module, and a part of the model already

    def forward(self, batch: dict[str, Tensor], n_answer_tokens: Tensor | int) -> Tensor:
        """The loss of a batch."""
        loss = self._loss[0](self.model, batch, n_answer_tokens)
        if not isinstance(self, FSDPModule):
            return loss
        # FSDP waits for the gradients of all weights, also where a batch without images does not use some. Those of
        # layers, which all batches use, are split again by now.
        outside = [weight for _, weight in trained_weights(self.model) if not isinstance(weight.data, DTensor)]
        return loss + sum(0.0 * weight.sum() for weight in outside)


def split(whole: LossOf) -> None:
    """Split the weights that are trained among the ranks, layer by layer; frozen ones stay whole everywhere."""
    frozen = {weight for weight in whole.parameters() if not weight.requires_grad}
    device = next(whole.parameters()).device.type
    mesh = init_device_mesh(device, (n_ranks(),))
    layers = set(getattr(whole.model, "_no_split_modules", None) or ())
    for module in list(whole.model.modules()):
        if type(module).__name__ in layers and any(weight.requires_grad for weight in module.parameters()):
            fully_shard(module, mesh=mesh, ignored_params=frozen)
    fully_shard(whole, mesh=mesh, ignored_params=frozen)


def whole_weights(whole: LossOf) -> dict[str, Tensor] | None:
    """All weights of a split model by name, for the first rank; all have to come. None if the model is not split."""
    if not is_split(whole):
        return None
    own = dict(whole.model.named_parameters(remove_duplicate=False))
    values = whole.model.state_dict()
    made: dict[int, Tensor] = {}
    found = {}
    for name, value in values.items():
        weight = made.get(id(own.get(name, value)))  # tied ones stay one
        if weight is None:
            weight = _whole(value)
            made[id(own.get(name, value))] = weight
        found[name] = weight
    return found if is_first() else {}


def fill(weight: nn.Parameter, value: Tensor) -> None:
    """Give a weight its whole value, of which a rank keeps its part if it is split."""
    weight.data.copy_(_part_of(value, weight))


def is_split(whole: nn.Module) -> bool:
    """Whether ``split`` was called on it."""
    return isinstance(whole, FSDPModule)


def whole_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The state of a split model's optimiser as if the model was whole; all ranks have to come."""
    state = optimizer.state_dict()
    by_weight = {
        number: {name: _whole(value) for name, value in values.items()} for number, values in state["state"].items()
    }
    return state | {"state": by_weight}


def load_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Give a split model's optimiser its part of such a state."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    by_weight = {
        number: {name: _part_of(value, weights[number]) for name, value in values.items()}
        for number, values in state["state"].items()
    }
    optimizer.load_state_dict(state | {"state": by_weight})


def _whole(value: Any) -> Any:
    return value.full_tensor().cpu() if isinstance(value, DTensor) else value


def _part_of(value: Tensor, weight: nn.Parameter) -> Tensor:
    """A rank's part of a value that is as large as the weight, if that is split."""
    if not isinstance(weight.data, DTensor) or value.shape != weight.shape:
        return value
    return distribute_tensor(value.to(weight.device), weight.data.device_mesh, weight.data.placements)
