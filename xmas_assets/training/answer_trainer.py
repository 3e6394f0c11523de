"""The Trainer of transformers as a fine-tuning run uses it: loss of answers, and states under the model's own names."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.utils.data import Sampler
from transformers import Trainer

from xmas_assets.contracts.errors import ModelError
from xmas_assets.training.adapters import answer_loss, trained_weights
from xmas_assets.training.objective import Objective
from xmas_assets.training.run_directory import Cost
from xmas_assets.training.tower_features import Pixels
from xmas_assets.vlm.ahead import ahead
from xmas_assets.vlm.prompts import IGNORED_LABEL, Encoded
from xmas_assets.vlm.token_spans import LOSS_WEIGHTS

Batch = dict[str, torch.Tensor]
_TRAINED = "trained.safetensors"


class AnswerTrainer(Trainer):
    """A Trainer whose loss runs the vocabulary layer on answers only, and stops at the first loss not finite.

    Batches, with their images, are made in a thread while the model runs. Rows come in the given order, or shuffled.

    Its states hold the trained weights under the model's own names. The Trainer's do not come back: transformers 5
    saves LLaVA under older names, and on resuming warns that all weights are missing and goes on without them.
    """

    def __init__(
        self,
        cost: Cost,
        objective: Objective | None,
        *,
        make_batch: Callable[[Sequence[Encoded]], Batch],
        images: Pixels,
        order: Sampler[int] | None = None,
        **options: Any,
    ) -> None:
        # Rows come as they are; ``get_batch_samples`` makes batches of them.
        super().__init__(data_collator=list, **options)  # pyright: ignore[reportArgumentType]
        self._loss = objective or answer_loss
        self._cost = cost
        self._make_batch = make_batch
        self._images = images
        self._order = order
        self._rows: Iterator[Any] = iter(())
        self._batches = ahead(self._make, self._rows)
        self.model_accepts_loss_kwargs = True  # so that the answer tokens of the whole step are counted
        self.loss_is_scaled_for_ga = True

    def close(self) -> None:
        """Make no more batches ahead."""
        self._batches.close()
        self._images.close()

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], torch.Tensor | int | None]:
        """Return the batches of a step and their number of answer tokens, from the rows that the Trainer draws.

        Where tokens have weights, their sum takes the place of the number.
        """
        if epoch_iterator is not self._rows:
            self._rows, self._batches = epoch_iterator, ahead(self._make, epoch_iterator)
        batches, n_answer_tokens = super().get_batch_samples(self._batches, num_batches, device)
        if any(LOSS_WEIGHTS in batch for batch in batches):
            return batches, torch.stack([_summed_weights(batch) for batch in batches]).sum().to(device)
        return batches, n_answer_tokens

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int] | None:
        return self._order or super()._get_train_sampler(train_dataset)

    def _make(self, rows: Sequence[Encoded]) -> Batch:
        batch = self._make_batch(rows)
        is_copied = self.args.device.type == "cuda"  # from pinned memory, which is faster
        return {name: values.pin_memory() for name, values in batch.items()} if is_copied else batch

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """Return the loss of a micro batch, a share of the mean over the answer tokens of the step."""
        assert num_items_in_batch is not None and not return_outputs
        with self.accelerator.autocast():
            loss = self._loss(model, self._images.connect(inputs), num_items_in_batch)
        value = loss.item()
        if not torch.isfinite(loss):
            raise ModelError(
                f"the loss is {value} at step {self.state.global_step + 1}; lower the learning rate or check the base"
            )
        self._cost.count(self.state.global_step, value, len(inputs["input_ids"]))
        return loss

    def floating_point_ops(self, inputs: dict[str, torch.Tensor | Any]) -> int:
        """Zero: the Trainer would count all weights in every step, for a number that nobody reads."""
        return 0

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        assert output_dir is not None
        Path(output_dir).mkdir(parents=True, exist_ok=True)
        save_file({name: weight.data for name, weight in trained_weights(self.model)}, Path(output_dir) / _TRAINED)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        saved = load_file(Path(resume_from_checkpoint) / _TRAINED)
        for name, weight in trained_weights(self.model):
            weight.data.copy_(saved[name])


def _summed_weights(batch: Batch) -> torch.Tensor:
    """Sum of the weights of a batch's answer tokens; a token counts 1 where none has a weight."""
    if LOSS_WEIGHTS in batch:
        return batch[LOSS_WEIGHTS].sum()
    return batch["labels"].ne(IGNORED_LABEL).sum().float()
