"""Fine-tuning a vision-language model on samples: one function for proxy and target, resumable and repeatable."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    set_seed,
)

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.progress import Progress, ProgressCallback
from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.settings import BaseModelSettings, TrainingSettings, require_adapters
from xmas_assets.contracts.usage import count_earlier
from xmas_assets.files.model_content import model_digest
from xmas_assets.training.adapters import OBJECTIVE, prepare_training, save_trained
from xmas_assets.training.answer_trainer import AnswerTrainer
from xmas_assets.training.arguments import OneDevice, training_arguments
from xmas_assets.training.like_lengths import LikeLengths
from xmas_assets.training.micro_batches import find_micro_batch_size
from xmas_assets.training.objective import Objective
from xmas_assets.training.run_directory import Cost, RunDirectory, milestones, read_record, usage_of
from xmas_assets.training.tower_features import Pixels, keep_tower_features
from xmas_assets.vlm.batches import collate
from xmas_assets.vlm.devices import model_work, peak_memory_bytes
from xmas_assets.vlm.image_inputs import OpenImage, Pictures
from xmas_assets.vlm.loading import Vlm, load_vlm
from xmas_assets.vlm.prompts import Encoded, Encoder, pad_token_id

SaveBeside = Callable[[Path, Trainer, range], None]
# Of the base's settings, those that decide a run's weights; its files are known by their content.
_OF_RUNS = {"dtype", "device", "max_tokens", "attention", "quantization"}


def fine_tune(
    *,
    base: Path | Vlm,
    base_settings: BaseModelSettings,
    samples: Sequence[Sample],
    open_image: OpenImage,
    settings: TrainingSettings,
    seed: int,
    output: Path,
    progress: ProgressCallback | None = None,
    save_beside: SaveBeside | None = None,
    objective: Objective | None = None,
    feature_folder: Path | None = None,
) -> list[Checkpoint]:
    """Train a base model on samples and return its checkpoints by step; the last one is the trained model.

    The weights depend on the set of samples, not on their order: they are sorted by ``sample_id``, then shuffled with
    the seed. A run that was stopped, also by SIGKILL, goes on from its last state when called again and ends with the
    same bytes (on CPU); a finished run is returned at once. ``runs.read_record(output)`` tells what it cost.

    Args:
        base: Directory of the model to start from; or a model in memory, which is changed, and known by its name only:
            for a trial whose result is not kept.
        base_settings: Type of the weights, device, longest sample.
        samples: What to learn. Those too long for ``max_tokens`` are left out; the record lists them.
        open_image: Gives the picture of a reference and content hash.
        settings: How to train.
        seed: Of the data order, and of adapters and dropout.
        output: Directory of this run alone.
        progress: Called after each optimiser step.
        save_beside: Writes what else is kept in a checkpoint: called with its directory, the trainer, and the steps
            (from 0) since the checkpoint before.
        objective: What is lowered in place of the mean loss of a step's answer tokens.
        feature_folder: Where what frozen vision towers make of images is kept for all runs; None to keep nothing. The
            weights do not depend on it (on CPU).

    Raises:
        ModelError: If the base or the optimiser cannot be used, no sample can be learned from, the loss or a weight
            becomes NaN or infinite, there are fewer steps than checkpoints, or ``output`` holds another run.
        SettingsError: If the batch size is no multiple of the micro batch size, or the base is quantised and not
            trained with LoRA.
        ImageError: If ``open_image`` refuses a picture.
    """
    require_adapters(base_settings, settings, names=("the base", "the training"))
    ordered = sorted(samples, key=lambda sample: sample.sample_id)
    arguments = training_arguments(settings, base_settings, seed=seed, state=output / "state")
    base_digest = str(base.directory) if isinstance(base, Vlm) else model_digest(base)
    run = RunDirectory(output, run=_identity(base_digest, base_settings, ordered, settings, seed, objective))
    finished = run.finished()
    if finished is not None:
        count_earlier(usage_of(read_record(output), base_settings.device))
        return finished
    with model_work(settings.threads):
        set_seed(seed)
        vlm = base if isinstance(base, Vlm) else load_vlm(base, base_settings)
        pictures = Pictures(vlm.processor, open_image)
        rows, left_out = _encode(vlm, pictures, ordered, max_tokens=base_settings.max_tokens)
        state, cost = run.last_state()
        count_earlier(usage_of(cost, base_settings.device))
        trainer = _trainer(
            vlm, rows, pictures, arguments=arguments, base_settings=base_settings, settings=settings,
            objective=objective, feature_folder=feature_folder, run=run, cost=cost,
        )  # fmt: skip
        dtype = getattr(torch, base_settings.dtype)
        save = partial(_save, trainer, vlm=vlm, dtype=dtype, base_digest=base_digest, beside=save_beside)
        trainer.add_callback(_Watch(run, cost, settings.n_checkpoints, save, progress))
        with closing(trainer):
            trainer.train(resume_from_checkpoint=None if state is None else str(state))
    return run.finish(
        cost,
        n_steps=trainer.state.global_step,
        n_samples=len(rows),
        n_cut=sum(row.is_cut for row in rows),
        left_out=left_out,
        micro_batch_size=arguments.per_device_train_batch_size,
    )


def _encode(
    vlm: Vlm, pictures: Pictures, samples: Sequence[Sample], *, max_tokens: int
) -> tuple[list[Encoded], dict[str, str]]:
    """The rows that can be learned from, and why others cannot, by ``sample_id``."""
    rows, left_out = Encoder.of(vlm, pictures, max_tokens=max_tokens).encode(samples)
    if not rows:
        raise ModelError(f"none of {len(samples)} samples can be learned from ({sorted(set(left_out.values()))})")
    return rows, {sample_id: reason.value for sample_id, reason in left_out.items()}


def _trainer(
    vlm: Vlm,
    rows: Sequence[Encoded],
    pictures: Pictures,
    *,
    arguments: OneDevice,
    base_settings: BaseModelSettings,
    settings: TrainingSettings,
    objective: Objective | None,
    feature_folder: Path | None,
    run: RunDirectory,
    cost: Cost,
) -> AnswerTrainer:
    """A trainer of the model on rows."""
    model = prepare_training(vlm, settings.lora, recompute_layers=settings.gradient_checkpointing)
    if objective is not None:
        model.add_module(OBJECTIVE, objective.to(base_settings.device))  # so that its weights are trained and kept
    pad_id = pad_token_id(vlm.processor.tokenizer)
    if settings.micro_batch_size == "auto":
        # From pixels, which take more memory than what is kept of a tower.
        make_batch = partial(collate, pictures=pictures, pad_id=pad_id, padding_side="right")
        find = partial(find_micro_batch_size, model, rows, make_batch, settings=settings, base_settings=base_settings)
        arguments.use_micro_batches(run.found_once("micro_batch_size", find))
    images = _images(
        vlm, model, rows, pictures, arguments=arguments, base_settings=base_settings, folder=feature_folder, cost=cost
    )
    collated = partial(collate, pictures=images, pad_id=pad_id, padding_side="right")
    trainer = AnswerTrainer(
        cost,
        objective,
        model=model,
        order=_order(rows, arguments) if settings.group_by_length else None,
        args=arguments,
        train_dataset=rows,  # pyright: ignore[reportArgumentType] the Trainer needs no more than a list
        make_batch=collated if objective is None else lambda rows: collated(rows) | objective.mark(rows),
        images=images,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _images(
    vlm: Vlm,
    model: Any,
    rows: Sequence[Encoded],
    pictures: Pictures,
    *,
    arguments: OneDevice,
    base_settings: BaseModelSettings,
    folder: Path | None,
    cost: Cost,
) -> Pixels:
    """What gives images to the model, in passes of the size that was settled."""
    most_images = arguments.per_device_train_batch_size * max(len(row.units) for row in rows)
    limit_bytes = int(base_settings.feature_cache_gb * 1e9)
    if folder is None or not limit_bytes or not most_images:
        return Pixels(pictures)
    with torch.autocast(base_settings.device, torch.bfloat16, enabled=arguments.bf16):  # as the Trainer has it
        return keep_tower_features(
            vlm, model, pictures, folder=folder, limit_bytes=limit_bytes, most_images=most_images, cost=cost
        )


def _save(
    trainer: AnswerTrainer,
    steps: range,
    directory: Path,
    *,
    vlm: Vlm,
    dtype: torch.dtype,
    base_digest: str,
    beside: SaveBeside | None,
) -> None:
    """Write a checkpoint, with what else is kept in it."""
    save_trained(trainer.model, directory, vlm=vlm, dtype=dtype, base_digest=base_digest)
    if beside is not None:
        beside(directory, trainer, steps)


class _Watch(TrainerCallback):
    """Keeps checkpoints at their steps, marks complete states, and reports progress."""

    def __init__(
        self,
        run: RunDirectory,
        cost: Cost,
        n_checkpoints: int,
        save: Callable[[range, Path], None],
        progress: ProgressCallback | None,
    ) -> None:
        self._run = run
        self._cost = cost
        self._n_checkpoints = n_checkpoints
        self._save = save
        self._progress = progress
        self._steps: list[int] = []
        self._cpu_clock, self._clock = time.process_time(), time.monotonic()

    def on_train_begin(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._steps = milestones(state.max_steps, self._n_checkpoints)
        if args.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.global_step in self._steps:
            before = max((step for step in self._steps if step < state.global_step), default=0)
            self._run.commit(state.global_step, partial(self._save, range(before, state.global_step)))
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
        self._run.commit_state(state.global_step, self._cost)


def _order(rows: Sequence[Encoded], arguments: OneDevice) -> LikeLengths:
    """Rows of like length next to each other."""
    lengths = [len(row.input_ids) for row in rows]
    return LikeLengths(lengths, arguments.per_device_train_batch_size, seed=arguments.seed)


def _identity(
    base_digest: str,
    base_settings: BaseModelSettings,
    samples: Sequence[Sample],
    settings: TrainingSettings,
    seed: int,
    objective: Objective | None,
) -> str:
    """Hex SHA-256 of all that decides the weights (the resume interval does not)."""
    digest = hashlib.sha256()
    chosen = {
        "base": base_digest,
        "base_settings": {name: value for name, value in base_settings.effective_values().items() if name in _OF_RUNS},
        "settings": {name: value for name, value in settings.effective_values().items() if name != "resume_steps"},
        "seed": seed,
    }
    if objective is not None:
        chosen["objective"] = objective.identity
    digest.update(json.dumps(chosen, sort_keys=True).encode())
    for sample in samples:
        weights = [sample.loss_weights] if sample.loss_weights else []
        digest.update(json.dumps([sample.sample_id, sample.turns, sample.image_hashes, *weights]).encode())
    return digest.hexdigest()
