"""What is done at the steps of a fine-tuning run: checkpoints, states, progress."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState

from xmas_assets.contracts.progress import Progress, ProgressCallback
from xmas_assets.training.answer_trainer import AnswerTrainer
from xmas_assets.training.ranks import rank, total
from xmas_assets.training.run_directory import Cost, RunDirectory, milestones
from xmas_assets.training.sharding import whole_weights
from xmas_assets.vlm.devices import peak_memory_bytes


class Watch(TrainerCallback):
    """Keeps checkpoints at their steps, marks complete states, and reports progress."""

    def __init__(
        self,
        run: RunDirectory | None,
        trainer: AnswerTrainer,
        cost: Cost,
        n_checkpoints: int,
        save: Callable[[range, dict[str, torch.Tensor] | None, Path], None],
        progress: ProgressCallback | None,
    ) -> None:
        """Take what is watched.

        Args:
            run: Where to; None in a rank that does not write.
            trainer: Of the run.
            cost: Counted on.
            n_checkpoints: To be kept.
            save: Writes one: given the steps (from 0) since the one before, and gathered weights where they are split.
            progress: Called after each optimiser step.
        """
        self._run = run
        self._trainer = trainer
        self._cost = cost
        self._n_checkpoints = n_checkpoints
        self._save = save
        self._progress = progress
        self._steps: list[int] = []
        self._cpu_clock, self._clock = time.process_time(), time.monotonic()

    def on_train_begin(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Plan the checkpoints."""
        self._steps = milestones(state.max_steps, self._n_checkpoints)
        if rank():
            torch.manual_seed(args.seed + rank())  # else all would drop the same
        if args.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Keep a checkpoint where one is planned, and tell of the step."""
        if state.global_step in self._steps:
            before = max((step for step in self._steps if step < state.global_step), default=0)
            weights = whole_weights(self._trainer.whole)
            if self._run is not None:
                self._run.commit(state.global_step, partial(self._save, range(before, state.global_step), weights))
        if state.global_step == state.max_steps:
            control.should_save = False  # the last checkpoint is the result; no state is needed beyond it
        self._count_cost(args.device)
        if self._progress is not None:
            self._progress(Progress(state.global_step, state.max_steps))

    def _count_cost(self, device: torch.device) -> None:
        """Add what was used since the last step."""
        cpu_clock, clock = time.process_time(), time.monotonic()
        self._cost.cpu_seconds += cpu_clock - self._cpu_clock
        self._cost.wall_seconds += clock - self._clock
        self._cost.peak_memory_bytes = max(self._cost.peak_memory_bytes, peak_memory_bytes(device))
        self._cpu_clock, self._clock = cpu_clock, clock

    def on_save(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Mark the state that was saved as complete."""
        cost = total(self._cost)
        if self._run is not None:
            self._run.commit_state(state.global_step, cost)
