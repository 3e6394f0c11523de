"""How many rows of a training the memory holds in one forward and backward pass, found by trial."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psutil
import torch
from torch import Tensor

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.settings import BaseModelSettings, TrainingSettings
from xmas_assets.training.adapters import answer_loss, trained_weights
from xmas_assets.vlm.prompts import Encoded
from xmas_assets.vlm.vision_features import placed

_LOG = logging.getLogger(__name__)
MakeBatch = Callable[[Sequence[Encoded]], dict[str, Tensor]]
# What an optimiser keeps of a trained weight, bytes; a paged one moves it out of the way.
_STATE_BYTES = {"adamw": 8, "adamw_8bit": 2, "paged_adamw_8bit": 0}


def find_micro_batch_size(
    model: Any,
    rows: Sequence[Encoded],
    make_batch: MakeBatch,
    *,
    settings: TrainingSettings,
    base_settings: BaseModelSettings,
) -> int:
    """The most rows that the memory holds in a pass: ``batch_size``, or the largest divisor after halving it.

    Tried on the longest rows, with as much memory taken as the optimiser will need. A CPU's memory has no error that
    says that it is too little, so there what the longest row keeps for its gradients is measured, and so many rows are
    tried at most as half of the free memory holds. Model and random states are left as they were.

    Args:
        model: As ``prepare_training`` made it.
        rows: Of the training.
        make_batch: Makes the model's inputs of rows.
        settings: How to train.
        base_settings: Device and type of the weights.

    Raises:
        ModelError: If the memory does not hold a single row.
    """
    device = base_settings.device
    longest = sorted(rows, key=lambda row: -len(row.input_ids))

    def compute(n_rows: int) -> Tensor:
        batch = placed(make_batch(longest[:n_rows]), model)
        with torch.autocast(device, torch.bfloat16, enabled=base_settings.dtype == "bfloat16"):
            return answer_loss(model, batch, n_rows)

    def holds(n_rows: int) -> bool:
        try:
            for _ in range(2):  # the second time with gradients of the first in memory
                compute(n_rows).backward()
        except torch.OutOfMemoryError:
            return False
        return True

    n_bytes = _STATE_BYTES[settings.optimizer] * sum(weight.numel() for _, weight in trained_weights(model))
    with _undisturbed(model, device), torch.enable_grad():
        limit = settings.batch_size
        if device == "cpu":
            limit = psutil.virtual_memory().available // 2 // _bytes_kept(model, lambda: compute(1))
        taken = torch.empty(n_bytes, dtype=torch.uint8, device=device)
        for size in halves(settings.batch_size):
            if (size <= limit or size == 1) and holds(size):
                del taken
                _LOG.warning("micro_batch_size 'auto': the memory holds %d rows in a pass", size)
                return size
            model.zero_grad(set_to_none=True)
            if device == "cuda":
                torch.cuda.empty_cache()
    raise ModelError(
        f"the device's memory does not hold one row of {len(longest[0].input_ids)} tokens in training; lower the "
        "base's max_tokens, set gradient_checkpointing to true, or use a larger device"
    )


def halves(batch_size: int) -> list[int]:
    """Divisors of a batch size: itself, and after each the largest that is no more than half of it.

    Example:
        >>> halves(48), halves(15)
        ([48, 24, 12, 6, 3, 1], [15, 5, 1])
    """
    sizes = [batch_size]
    while sizes[-1] > 1:
        sizes.append(next(size for size in range(sizes[-1] // 2, 0, -1) if batch_size % size == 0))
    return sizes


@contextmanager
def _undisturbed(model: Any, device: str) -> Iterator[None]:
    """Let a model compute as in training, and leave it, and what is random, as it was."""
    was_training, buffers = model.training, {name: values.clone() for name, values in model.named_buffers()}
    with torch.random.fork_rng([torch.cuda.current_device()] if device == "cuda" else []):
        try:
            yield
        finally:
            model.zero_grad(set_to_none=True)
            model.train(was_training)
            for name, values in model.named_buffers():
                values.copy_(buffers[name])


def _bytes_kept(model: Any, compute: Callable[[], Tensor]) -> int:
    """Bytes that a forward pass keeps for its backward pass, without the model's own weights."""
    own = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept: dict[int, int] = {}

    def note(values: Tensor) -> Tensor:
        storage = values.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return values

    with torch.autograd.graph.saved_tensors_hooks(note, lambda values: values):
        compute()
    return max(1, sum(kept.values()))
