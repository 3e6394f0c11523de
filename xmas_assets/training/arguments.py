"""Our settings of a training as the Trainer of transformers takes them."""

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from transformers import Trainer, TrainingArguments

from xmas_assets.contracts.passes import passes_of_step
from xmas_assets.contracts.settings import BaseModelSettings, TrainingSettings
from xmas_assets.vlm.quantization import require_bitsandbytes

_OPTIMIZERS = {
    "adamw": "adamw_torch_fused",
    "adamw_8bit": "adamw_bnb_8bit",
    "paged_adamw_8bit": "paged_adamw_8bit",
}
_SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


class OneDevice(TrainingArguments):
    """Arguments of a run on one device: where several GPUs are visible, the Trainer would wrap the model for all.

    That would multiply the batch size, and so the weights would depend on the machine.
    """

    @property
    def n_gpu(self) -> int:
        """GPUs in use: one, or none."""
        return min(super().n_gpu, 1)

    def use_micro_batches(self, size: int) -> None:
        """Make optimiser steps of as many rows as before in forward passes of ``size`` rows."""
        batch_size = self.per_device_train_batch_size * self.gradient_accumulation_steps
        self.per_device_train_batch_size, self.gradient_accumulation_steps = size, batch_size // size


def training_arguments(
    settings: TrainingSettings, base_settings: BaseModelSettings, *, seed: int, state: Path, n_ranks: int = 1
) -> OneDevice:
    """Translate our settings into the Trainer's; a micro batch that is to be found is the whole batch.

    Args:
        settings: How to train.
        base_settings: Device and type of the weights.
        seed: Of the data order, adapters and dropout.
        state: Directory of the Trainer's states.
        n_ranks: Processes that train together.

    Raises:
        SettingsError: As ``passes_of_step``.
        ModelError: If the optimiser needs bitsandbytes, which is not installed.
    """
    require_optimizer(settings.optimizer)
    micro_batch_size, n_passes = passes_of_step(settings, n_ranks)
    return OneDevice(
        output_dir=str(state),
        per_device_train_batch_size=micro_batch_size,
        gradient_accumulation_steps=n_passes,
        num_train_epochs=settings.epochs,
        max_steps=settings.n_steps or -1,
        optim=_OPTIMIZERS[settings.optimizer],
        learning_rate=settings.learning_rate,
        lr_scheduler_type=_SCHEDULES[settings.schedule],
        warmup_steps=settings.warmup_fraction,  # below 1 it is a share of the steps
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        save_steps=settings.resume_steps,
        save_total_limit=2,  # the newest state may be half-written when the run is killed
        logging_strategy="no",
        report_to=[],
        seed=seed,
        use_cpu=base_settings.device == "cpu",
        bf16=base_settings.dtype == "bfloat16",
        dataloader_pin_memory=False,  # rows have nothing to pin
        remove_unused_columns=False,
        disable_tqdm=not sys.stderr.isatty(),
        ddp_find_unused_parameters=True,  # a pass without images uses no connector
        ddp_broadcast_buffers=False,
    )


def require_optimizer(name: str) -> None:
    """Refuse an optimiser of the settings whose library is not installed, with a ``ModelError``."""
    if name != "adamw":
        require_bitsandbytes(f"optimizer {name!r}")


def new_optimizer(weights: Sequence[nn.Parameter], name: str, *, learning_rate: float) -> torch.optim.Optimizer:
    """The optimiser of that name in the settings, as the Trainer makes it."""
    arguments = TrainingArguments(optim=_OPTIMIZERS[name], use_cpu=not weights[0].is_cuda, report_to=[])
    kind, options = Trainer.get_optimizer_cls_and_kwargs(arguments)
    return kind(weights, **options | {"lr": learning_rate})
