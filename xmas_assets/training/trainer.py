"""Fine-tuning a vision-language model on samples: one function for proxy and target, resumable and repeatable."""

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, set_seed

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.passes import passes_of_step
from xmas_assets.contracts.progress import ProgressCallback
from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.settings import BaseModelSettings, TrainingSettings, require_adapters
from xmas_assets.contracts.usage import count_earlier
from xmas_assets.contracts.workers import Ranks
from xmas_assets.training.adapters import OBJECTIVE, prepare_training, save_trained
from xmas_assets.training.answer_trainer import AnswerTrainer
from xmas_assets.training.arguments import OneDevice, require_optimizer, training_arguments
from xmas_assets.training.job import SaveBeside, TrainingJob, digest_of_base, identify
from xmas_assets.training.launch import train_on_ranks
from xmas_assets.training.like_lengths import LikeLengths
from xmas_assets.training.micro_batches import find_micro_batch_size
from xmas_assets.training.objective import Objective
from xmas_assets.training.ranks import n_ranks, of_first, own_part, total
from xmas_assets.training.run_directory import Cost, RunDirectory, made_before, read_record, usage_of
from xmas_assets.training.tower_features import Pixels, keep_tower_features
from xmas_assets.training.watch import Watch
from xmas_assets.vlm.batches import collate
from xmas_assets.vlm.devices import model_work
from xmas_assets.vlm.image_inputs import OpenImage, Pictures
from xmas_assets.vlm.loading import Vlm, load_vlm
from xmas_assets.vlm.prompts import Encoded, Encoder, pad_token_id

ONE_PROCESS = Ranks()


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
    ranks: Ranks = ONE_PROCESS,
    kept: Path | None = None,
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
        ranks: Processes that train together. What they are sent, such as ``open_image``, can be pickled, and the base
            is a directory. With several the order of sums differs, so they are part of what the run is.
        kept: Folder of earlier outputs' folders: the same run is returned from there if it ended.

    Raises:
        ModelError: If the base or the optimiser cannot be used, no sample can be learned from, the loss or a weight
            becomes NaN or infinite, there are fewer steps than checkpoints, ``output`` holds another run, or one of
            several processes ends.
        SettingsError: If the batch size is no multiple of the micro batch size, cannot be divided among the processes,
            or the base is quantised and not trained with LoRA.
        ImageError: If ``open_image`` refuses a picture.
    """
    require_adapters(base_settings, settings, names=("the base", "the training"))
    passes_of_step(settings, ranks.n)
    require_optimizer(settings.optimizer)
    ordered = sorted(samples, key=lambda sample: sample.sample_id)
    base_digest = digest_of_base(base)
    identity = identify(base_digest, base_settings, ordered, settings, seed, objective, ranks)
    output = made_before(output, identity, kept) if kept else output
    job = TrainingJob(
        base=base, base_digest=base_digest, base_settings=base_settings, ordered=ordered, open_image=open_image,
        settings=settings, seed=seed, output=output, save_beside=save_beside, objective=objective,
        feature_folder=feature_folder, ranks=ranks, identity=identity,
    )  # fmt: skip
    run = RunDirectory(output, run=identity)
    finished = run.finished()
    if finished is not None:
        count_earlier(usage_of(read_record(output), base_settings.device))
        return finished
    return train_job(job, run, progress) if ranks.n == 1 else train_on_ranks(job, run, progress)


def train_job(job: TrainingJob, run: RunDirectory | None, progress: ProgressCallback | None) -> list[Checkpoint]:
    """Do a training, or this rank's part of it.

    Args:
        job: What to do.
        run: Its directory; None in a rank that does not write.
        progress: Called after each optimiser step.

    Returns:
        Its checkpoints; none in a rank that does not write.
    """
    arguments = training_arguments(
        job.settings, job.base_settings, seed=job.seed, state=job.output / "state", n_ranks=n_ranks()
    )
    with model_work(job.settings.threads):
        set_seed(job.seed)
        vlm = job.base if isinstance(job.base, Vlm) else load_vlm(job.base, job.base_settings)
        pictures = Pictures(vlm.processor, job.open_image)
        rows, left_out = _encode(vlm, pictures, job.ordered, max_tokens=job.base_settings.max_tokens)
        state, cost = of_first(lambda: (None, Cost()) if run is None else run.last_state())
        if n_ranks() == 1:
            count_earlier(usage_of(cost, job.base_settings.device))
        cost = own_part(cost)
        trainer = _trainer(job, vlm, rows, pictures, arguments=arguments, run=run, cost=cost)
        save = partial(_save, trainer, job=job, vlm=vlm)
        trainer.add_callback(Watch(run, trainer, cost, job.settings.n_checkpoints, save, progress))
        with closing(trainer):
            trainer.train(resume_from_checkpoint=None if state is None else str(state))
        cost = total(cost)
    if run is None:
        return []
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
    job: TrainingJob,
    vlm: Vlm,
    rows: Sequence[Encoded],
    pictures: Pictures,
    *,
    arguments: OneDevice,
    run: RunDirectory | None,
    cost: Cost,
) -> AnswerTrainer:
    """A trainer of the model on rows."""
    settings, objective = job.settings, job.objective
    model = prepare_training(vlm, settings.lora, recompute_layers=settings.gradient_checkpointing)
    if objective is not None:
        model.add_module(OBJECTIVE, objective.to(job.base_settings.device))  # so that its weights are trained and kept
    pad_id = pad_token_id(vlm.processor.tokenizer)
    if settings.micro_batch_size == "auto" and run is not None:
        # From pixels, which take more memory than what is kept of a tower.
        make_batch = partial(collate, pictures=pictures, pad_id=pad_id, padding_side="right")
        find = partial(
            find_micro_batch_size, model, rows, make_batch, settings=settings, base_settings=job.base_settings
        )
        arguments.use_micro_batches(run.found_once("micro_batch_size", find))
    images = _images(job, vlm, model, rows, pictures, arguments=arguments, cost=cost)
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
        is_split=job.is_split,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _images(
    job: TrainingJob,
    vlm: Vlm,
    model: Any,
    rows: Sequence[Encoded],
    pictures: Pictures,
    *,
    arguments: OneDevice,
    cost: Cost,
) -> Pixels:
    """What gives images to the model, in passes of the size that was settled."""
    folder, settings = job.feature_folder, job.base_settings
    most_images = arguments.per_device_train_batch_size * max(len(row.units) for row in rows)
    limit_bytes = int(settings.feature_cache_gb * 1e9)
    if folder is None or not limit_bytes or not most_images:
        return Pixels(pictures)
    with torch.autocast(settings.device, torch.bfloat16, enabled=arguments.bf16):  # as the Trainer has it
        return keep_tower_features(
            vlm, model, pictures, folder=folder, limit_bytes=limit_bytes, most_images=most_images, cost=cost
        )


def _save(
    trainer: AnswerTrainer,
    steps: range,
    gathered: dict[str, torch.Tensor] | None,
    directory: Path,
    *,
    job: TrainingJob,
    vlm: Vlm,
) -> None:
    """Write a checkpoint, with what else is kept in it."""
    dtype = getattr(torch, job.base_settings.dtype)
    save_trained(trainer.model, directory, vlm=vlm, dtype=dtype, base_digest=job.base_digest, gathered=gathered)
    if job.save_beside is not None:
        job.save_beside(directory, trainer, steps)


def _order(rows: Sequence[Encoded], arguments: OneDevice) -> LikeLengths:
    """Rows of like length next to each other."""
    lengths = [len(row.input_ids) for row in rows]
    return LikeLengths(lengths, arguments.per_device_train_batch_size, seed=arguments.seed)
