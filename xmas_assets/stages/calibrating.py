"""Parts of a dataset on which stages are measured, and what was measured of them as rates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.contracts.calibration import Calibration, DataSizes, Line, ModelSizes, StageRate
from xmas_assets.contracts.usage import Usage
from xmas_assets.core.arrays import IntArray
from xmas_assets.data.inputs import Inputs
from xmas_assets.data.profiles import merged_settings
from xmas_assets.data.registration import Registration
from xmas_assets.files.whole import replacing
from xmas_assets.home.home import Home
from xmas_assets.home.records import training_samples
from xmas_assets.home.stored_tables import read_base
from xmas_assets.scale.stage_work import Job, rows_seen, stage_work
from xmas_assets.stages.exporting import write_subset
from xmas_assets.stages.prepared import PREPARED, partition_of
from xmas_assets.stages.rates import OF_SELECTIONS, questions_of, stage_bytes
from xmas_assets.stages.subsets import make_subset

_ROWS_ENCODED = 128
_LEAST_WARMED_UP = 16
_TRAINED = ("proxy_checkpoints", "warmup_checkpoints", "difficulty_scores")


@dataclass(frozen=True)
class Seen:
    """What a stage took of a part of a dataset."""

    units: float
    usage: Usage
    disk_bytes: int


def part_rows(home: Home, dataset: str, count: int, *, seed: int = 0) -> IntArray:
    """About ``count`` rows of a dataset, with all rows that share their first image; a smaller part is in a larger.

    Rows that share an image are read together, so that a part has as many to an image as the whole.
    """
    frame = home.stored("raw_dataset", dataset)["samples"].frame(["image_hashes"])
    first = frame["image_hashes"].list.first().fill_null("")
    names = np.where(first == "", [f"row {row}" for row in range(len(first))], first.to_numpy())
    _, groups = np.unique(names, return_inverse=True)
    order = np.random.default_rng(seed).permutation(groups.max() + 1)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return np.sort(np.argsort(place[groups], kind="stable")[:count])


def register_part(home: Home, dataset: str, rows: IntArray, root: Path) -> Home:
    """A home of its own with these rows of a dataset, to be run as the dataset would."""
    part = Home.open(root)
    manifest = make_subset(home, dataset, SelectionKey("random", Decimal(1), 0)).manifest
    manifest = manifest.model_copy(update={"rows": tuple(rows.tolist())})
    records = part.path("records") / "train.json"
    write_subset(
        home, manifest, to=records, inputs=Inputs([home.registration(dataset)]), file_format="llava_json", force=True
    )
    registration = home.registration(dataset)
    settings = home.settings(dataset)
    overrides = merged_settings(registration.overrides, _overrides(settings, len(rows)))
    held = (records.parent / "train_images").exists()
    changed: dict[str, Any] = {"annotations": (records,), "format": None, "columns": None, "task_from": None}
    changed |= {"overrides": overrides, "benchmarks": (), "exclude_contaminated": False}
    changed |= {"images": records.parent} if held else {}
    registration = registration.model_copy(update=changed)
    Registration.model_validate(registration.model_dump()).save(part.root)
    return part


def _overrides(settings: Any, n_rows: int) -> dict[str, dict[str, Any]]:
    """Settings with which a few rows are trained on in as many checkpoints; what is made of a row stays as it is."""
    share = min(1.0, max(settings.warmup.share, _LEAST_WARMED_UP / n_rows))
    overrides: dict[str, dict[str, Any]] = {"warmup": {"share": share}, "benchmark": {"max_questions": n_rows}}
    for name, rows in {"proxy": n_rows, "warmup": share * n_rows, "difficulty": n_rows, "target": n_rows}.items():
        training = getattr(settings, name)
        n_seen = rows_seen(training.model_copy(update={"n_steps": None}), rows)
        most = max(1, int(n_seen / max(training.n_checkpoints, 2)))
        if training.batch_size > most:
            micro = training.micro_batch_size
            most = most if micro == "auto" or most <= micro else most // micro * micro
            smaller = {"batch_size": most} | ({} if micro == "auto" else {"micro_batch_size": min(micro, most)})
            overrides.setdefault(name, {}).update(smaller)
        if training.n_steps is not None:
            overrides.setdefault(name, {})["n_steps"] = max(training.n_checkpoints, n_rows // most)
    overrides["workers"] = {"engine": "serial", "training_ranks": 1}
    return overrides


def seen_stages(part: Home, dataset: str, keys: Sequence[SelectionKey], stages: Sequence[str]) -> dict[str, Seen]:
    """What stages took of a part, by name; ``full`` stands for all targets."""
    n_rows = part.stored("raw_dataset", dataset)["samples"].n_rows
    job = Job(part.settings(dataset), n_rows, questions_of(part, dataset))
    places = {stage: (stage, dataset) for stage in stages if stage not in OF_SELECTIONS}
    for key in keys:
        selection = f"{dataset}|{key}"
        if key.method == "full":
            places |= {name: (name, selection) for name in OF_SELECTIONS if name in stages}
        else:
            places[f"{PREPARED}:{key.method}"] = (PREPARED, partition_of(dataset, key.method))
        places[f"selected_subset:{key.method}"] = ("selected_subset", selection)
    seen = {}
    for name, (stage, partition) in places.items():
        usage, units = part.costs.of(partition, stage), stage_work(name, job, n_selected=n_rows).units
        if usage is not None and units is not None:
            seen[name] = Seen(units, usage, stage_bytes(part, stage, partition))
    return seen


def rates_of(small: Mapping[str, Seen], large: Mapping[str, Seen]) -> dict[str, StageRate]:
    """A line through what two parts took, of each stage.

    On a processor the clock also runs for other work of the machine, so its line is that of the processor time, times
    what a second of that took on the clock in the larger part.
    """
    rates = {}
    for name, second in large.items():
        ends = (small.get(name, second), second)
        clocks = [(end.units, end.usage.wall_seconds) for end in ends if end.usage.wall_seconds is not None]
        cpu = line_through(*((end.units, end.usage.cpu_seconds) for end in ends))
        clock = line_through(*clocks) if len(clocks) == len(ends) else None
        device = "gpu" if second.usage.device == "gpu" else "cpu"
        if device == "cpu" and second.usage.wall_seconds is not None and second.usage.cpu_seconds:
            ratio = second.usage.wall_seconds / second.usage.cpu_seconds
            clock = (ratio * cpu[0], ratio * cpu[1])
        disk = line_through(*((end.units, end.disk_bytes) for end in ends))
        rates[name] = StageRate(device=device, cpu_seconds=cpu, clock_seconds=clock, disk_bytes=disk)
    return rates


def line_through(first: tuple[float, float], second: tuple[float, float]) -> Line:
    """The line through two points (units, value), of which neither part is below 0.

    Points with the same units say nothing of what a unit takes: all of it is fixed. Where the larger point has no more
    than the smaller, all of it is fixed, too; where the line would start below 0, it starts at 0.
    """
    (units, value), (more_units, more_value) = sorted((first, second))
    if more_units <= units or more_value <= value:
        return more_value, 0.0
    slope = (more_value - value) / (more_units - units)
    fixed = value - slope * units
    return (fixed, slope) if fixed >= 0 else (0.0, more_value / more_units)


def measured_sizes(home: Home, dataset: str) -> tuple[DataSizes, ModelSizes, ModelSizes]:
    """What a row of a dataset is for its model, and the sizes of that model and of the targets'."""
    from xmas_assets.training.model_sizes import model_sizes, row_sizes
    from xmas_assets.vlm.configs import read_config

    settings = home.settings(dataset)
    base, target = (read_base(home.stored(asset, dataset)) for asset in ("base_model", "target_base"))
    raw = home.stored("raw_dataset", dataset)
    samples = training_samples(raw)
    rows = part_rows(home, dataset, min(_ROWS_ENCODED, len(samples)), seed=1)
    opened = home.open_image(dataset)
    data = row_sizes(base, samples.take(rows.tolist()), opened, max_tokens=settings.base_model.max_tokens)
    return data, model_sizes(read_config(base)), model_sizes(read_config(target))


def training_memory(home: Home, dataset: str) -> dict[str, float]:
    """An estimate of what the trainings of a dataset hold at once, GiB, by stage; those of models without one lack."""
    from xmas_assets.training.memory import estimate_memory
    from xmas_assets.vlm.configs import read_config

    settings = home.settings(dataset)
    trainings = {name: (settings.base_model, name.partition("_")[0]) for name in _TRAINED}
    trainings["target_model"] = (settings.target_base, "target")
    held = {}
    for stage, (base, section) in trainings.items():
        asset = "target_base" if stage == "target_model" else "base_model"
        config = read_config(read_base(home.stored(asset, dataset)))
        held[stage] = estimate_memory(config, base, getattr(settings, section)).total / 2**30
    return held


def save_calibration(home: Home, dataset: str, calibration: Calibration) -> Path:
    """Keep a calibration as that of a dataset on this machine; returns its file, which may be read and edited."""
    path = home.calibration(dataset)
    home.path(path.parent.name)
    with replacing(path) as unfinished:
        values = calibration.model_dump(mode="json", exclude_none=True)
        unfinished.write_text(yaml.safe_dump(values, sort_keys=False, default_flow_style=None), encoding="utf-8")
    return path
