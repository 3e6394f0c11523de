"""The Trainer of transformers as a fine-tuning run uses it: loss of answers, and states under the model's own names."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from accelerate.data_loader import prepare_data_loader
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader, Sampler
from transformers import Trainer

from xmas_assets.contracts.errors import ModelError
from xmas_assets.training.adapters import answer_loss, trained_weights
from xmas_assets.training.objective import Objective
from xmas_assets.training.ranks import gathered, is_first, n_ranks, rank
from xmas_assets.training.run_directory import Cost
from xmas_assets.training.sharding import LossOf, fill, is_split, load_state, split, whole_state, whole_weights
from xmas_assets.training.tower_features import Pixels
from xmas_assets.vlm.ahead import ahead
from xmas_assets.vlm.prompts import IGNORED_LABEL, Encoded
from xmas_assets.vlm.token_spans import LOSS_WEIGHTS

Batch = dict[str, torch.Tensor]
_TRAINED = "trained.safetensors"
_OPTIMIZER, _SCHEDULE = "optimizer.pt", "scheduler.pt"  # as the Trainer names them
_IS_STAND_IN = "is_stand_in"


class AnswerTrainer(Trainer):
    """A Trainer whose loss runs the vocabulary layer on answers only, and stops at the first loss not finite.

    Batches, with their images, are made in a thread while the model runs. Rows come in the given order, or shuffled.

    Its states hold the trained weights under the model's own names. The Trainer's do not come back: transformers 5
    saves LLaVA under older names, and on resuming warns that all weights are missing and goes on without them.

    Several ranks draw the same rows, and take in turn the forward passes that one process would make one after the
    other. At the end of an epoch one may have none left: it makes one that counts nothing.
    """

    def __init__(
        self,
        cost: Cost,
        objective: Objective | None,
        *,
        make_batch: Callable[[Sequence[Encoded]], Batch],
        images: Pixels,
        order: Sampler[int] | None = None,
        is_split: bool = False,
        **options: Any,
    ) -> None:
        # Rows come as they are; ``get_batch_samples`` makes batches of them.
        super().__init__(data_collator=list, **options)  # pyright: ignore[reportArgumentType]
        loss = objective or answer_loss
        model: Any = self.model
        self.whole = LossOf(model, lambda model, batch, count: loss(model, images.connect(batch), count))
        self._pass: Any = self.whole
        if is_split:
            split(self.whole)
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

    def get_train_dataloader(self) -> Any:
        """Return what draws the rows of a forward pass: of one of each rank, in the order of one process."""
        if n_ranks() == 1:
            return super().get_train_dataloader()
        size = self.args.per_device_train_batch_size * n_ranks()
        rows: Any = self.train_dataset
        drawn = DataLoader(rows, batch_size=size, sampler=self._get_train_sampler(), collate_fn=list)
        return prepare_data_loader(drawn, num_processes=1, process_index=0, use_seedable_sampler=True)

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], torch.Tensor | int | None]:
        """Return the batches of a step and their number of answer tokens, from the rows that the Trainer draws.

        Where tokens have weights, their sum takes the place of the number.
        """
        if epoch_iterator is not self._rows:
            self._rows, self._batches = epoch_iterator, ahead(self._make, epoch_iterator)
        if n_ranks() > 1:
            batches = list(islice(self._batches, num_batches))
            return batches, _n_answer_tokens(batches).to(device)
        batches, n_answer_tokens = super().get_batch_samples(self._batches, num_batches, device)
        if any(LOSS_WEIGHTS in batch for batch in batches):
            return batches, torch.stack([_summed_weights(batch) for batch in batches]).sum().to(device)
        return batches, n_answer_tokens

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int] | None:
        return self._order or super()._get_train_sampler(train_dataset)

    def _make(self, rows: Sequence[Encoded]) -> Batch:
        size = self.args.per_device_train_batch_size
        own = rows[size * rank() : size * (rank() + 1)]
        batch = self._make_batch(own or rows[:1])
        if not own:
            batch[_IS_STAND_IN] = torch.ones(())
        is_copied = self.args.device.type == "cuda"  # from pinned memory, which is faster
        return {name: values.pin_memory() for name, values in batch.items()} if is_copied else batch

    def _wrap_model(self, model: Any, training: bool = True, dataloader: Any = None) -> Any:
        if n_ranks() == 1:
            return super()._wrap_model(model, training, dataloader)
        self._pass = self.whole if is_split(self.whole) else self.accelerator.prepare_model(self.whole)
        return self._pass

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """Return the loss of a micro batch, a share of the mean over the answer tokens of the step."""
        assert num_items_in_batch is not None and not return_outputs
        counts = 0.0 if inputs.pop(_IS_STAND_IN, None) is not None else 1.0
        n_rows = len(inputs["input_ids"]) if counts else 0
        with self.accelerator.autocast():
            loss = self._pass(inputs, num_items_in_batch)
        if n_ranks() > 1:
            loss = loss * counts
        for value, n_samples in gathered((loss.item(), n_rows)):
            if not math.isfinite(value):
                raise ModelError(
                    f"the loss is {value} at step {self.state.global_step + 1}; lower the learning rate or check the "
                    "base"
                )
            self._cost.count(self.state.global_step, value, n_samples)
        return loss * n_ranks() if n_ranks() > 1 else loss  # what wraps the model takes the mean over ranks

    def floating_point_ops(self, inputs: dict[str, torch.Tensor | Any]) -> int:
        """Zero: the Trainer would count all weights in every step, for a number that nobody reads."""
        return 0

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        assert output_dir is not None
        weights = whole_weights(self.whole)
        if is_first():
            Path(output_dir).mkdir(parents=True, exist_ok=True)
            own = trained_weights(self.model)
            trained = {name: weight.data if weights is None else weights[name] for name, weight in own}
            save_file(trained, Path(output_dir) / _TRAINED)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        saved = load_file(Path(resume_from_checkpoint) / _TRAINED)
        for name, weight in trained_weights(self.model):
            fill(weight, saved[name])

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not is_split(self.whole):
            super()._save_optimizer_and_scheduler(output_dir)
            return
        optimizer, schedule = self._prepared()
        state = whole_state(optimizer)
        if is_first():
            torch.save(state, Path(output_dir) / _OPTIMIZER)
            torch.save(schedule.state_dict(), Path(output_dir) / _SCHEDULE)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if not is_split(self.whole) or checkpoint is None:
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        optimizer, schedule = self._prepared()
        load_state(optimizer, torch.load(Path(checkpoint) / _OPTIMIZER, map_location="cpu", weights_only=True))
        schedule.load_state_dict(torch.load(Path(checkpoint) / _SCHEDULE, weights_only=True))

    def _prepared(self) -> tuple[Any, Any]:
        """The optimiser without what accelerate put around it, and its schedule."""
        optimizer: Any = self.optimizer
        return optimizer.optimizer, self.lr_scheduler

    def _save_rng_state(self, output_dir: str) -> None:
        """Save the random states of all ranks, by the first, so that each finds its own."""
        if n_ranks() == 1:
            super()._save_rng_state(output_dir)
            return
        with TemporaryDirectory() as folder:
            super()._save_rng_state(folder)
            (own,) = Path(folder).iterdir()
            states = gathered((own.name, own.read_bytes()))
        if is_first():
            for name, state in states:
                (Path(output_dir) / name).write_bytes(state)


def _summed_weights(batch: Batch) -> torch.Tensor:
    """Sum of the weights of a batch's answer tokens; a token counts 1 where none has a weight."""
    if LOSS_WEIGHTS in batch:
        return batch[LOSS_WEIGHTS].sum()
    return batch["labels"].ne(IGNORED_LABEL).sum().float()


def _n_answer_tokens(batches: Sequence[Batch]) -> torch.Tensor:
    """Of a step of all ranks; or the sum of their weights, added up as one process would."""
    own = [
        None if _IS_STAND_IN in batch else (LOSS_WEIGHTS in batch, _summed_weights(batch).item()) for batch in batches
    ]
    passes = [each for in_turn in zip(*gathered(own), strict=True) for each in in_turn if each is not None]
    counts = torch.tensor([count for _, count in passes])
    return counts.sum() if any(is_weighted for is_weighted, _ in passes) else counts.double().sum().long()
