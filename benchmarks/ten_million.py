"""From a file of records to exports at 1M and 10M rows: seconds and peak memory of each stage, and the slope.

Run: python -m benchmarks.ten_million [--rows N ...] [--folder FOLDER] [--keep [--only STAGE ...]]. Rows are made up:
one or two short turns, and a hundred image files that all rows share. No model reads them: trajectories, answer scores
and lengths are drawn, and only their tables are written as a pass writes them. Each stage runs in a process of its own,
on one thread; its peak has the libraries in it (about 300 MiB).
"""

import argparse
import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from benchmarks.made_trajectories import BLOCK, N_CHECKPOINTS, N_VALUES, STEPS, made_ids, made_tables
from benchmarks.measuring import in_child, peak_mib
from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.contracts.settings import ClusterSettings
from xmas_assets.data.registration import Registration
from xmas_assets.extraction.batching import image_groups
from xmas_assets.home.home import Home
from xmas_assets.home.records import training_samples
from xmas_assets.home.stored_tables import note_shapes, note_steps, read_sums
from xmas_assets.scale.row_tables import samples_digest
from xmas_assets.selection.grouping import group_trajectories
from xmas_assets.stages.contamination import excluded_rows
from xmas_assets.stages.datasets import stage_dataset
from xmas_assets.stages.exploring import write_explorer_of
from xmas_assets.stages.exporting import export_selection
from xmas_assets.stages.subsets import choose_subset, stage_subset
from xmas_assets.store.tables import write_tables

DATASET, N_IMAGES, SCORES = "made", 100, ("loss", "perplexity", "el2n", "aum", "ifd")
METHODS = ("random", "length", "perplexity", "el2n", "ifd", "xmas", "balanced_random")
Cost = tuple[float, float, float]
"""Seconds of CPU, seconds on the clock, peak memory in MiB."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[10**6, 10**7])
    parser.add_argument(
        "--folder", type=Path, default=None, help="Where a home of each size is made; about 1 GB a million."
    )
    parser.add_argument(
        "--keep", action="store_true", help="Leave the homes there, and go on with those that are there."
    )
    parser.add_argument("--only", nargs="+", default=[""], help="Of a kept home: stages whose names begin so.")
    options = parser.parse_args()
    costs: dict[int, dict[str, Cost]] = {}
    for n_rows in options.rows:
        print(f"\n| {n_rows:,} rows | CPU, s | clock, s | peak, MiB |\n|---|---|---|---|", flush=True)
        if options.keep:
            costs[n_rows] = measure(options.folder / str(n_rows), n_rows, tuple(options.only))
        else:
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                costs[n_rows] = measure(Path(folder), n_rows, ("",))
    for smaller, larger in zip(options.rows, options.rows[1:], strict=False):
        print(f"\nslopes of CPU seconds between {smaller:,} and {larger:,} rows:")
        for stage, (seconds, _, _) in costs[larger].items():
            if stage in costs[smaller] and min(seconds, costs[smaller][stage][0]) > 0:
                print(f"- {stage}: {math.log(seconds / costs[smaller][stage][0]) / math.log(larger / smaller):.2f}")


def measure(folder: Path, n_rows: int, only: tuple[str, ...]) -> dict[str, Cost]:
    """Cost of each stage whose name begins with one of ``only``; a printed row for each."""
    folder.mkdir(parents=True, exist_ok=True)
    stages: list[tuple[str, Callable[..., Any], tuple[Any, ...]]] = [
        ("read the records", ingest, ()),
        ("samples, each as the passes see it", walk, ()),
        ("tables of drawn signals", draw_signals, (n_rows,)),
        ("XMAS clusters", cluster, ()),
    ]
    stages += [(f"choose: {method}", choose, (method, "0.20")) for method in METHODS]
    stages += [("choose: xmas, a new budget", choose, ("xmas", "0.10")), ("export: random, 20 %", export, ())]
    stages += [("page of rows (explore)", explore, ())]
    if not (folder / "home").exists():
        in_child(make, folder, n_rows)
    costs = {}
    for name, run, more in stages:
        if not name.startswith(only):
            continue
        try:
            costs[name] = in_child(timed, run, folder, *more)
        except Exception as error:
            print(f"| {name} | ended: {type(error).__name__}: {str(error)[:100]} | | |", flush=True)
            continue
        print(f"| {name} | {' | '.join(f'{cell:,.1f}' for cell in costs[name])} |", flush=True)
    return costs


def timed(run: Callable[..., Any], *arguments: Any) -> Cost:
    """Run a stage, and say what it took."""
    start, start_cpu = time.perf_counter(), time.process_time()
    run(*arguments)
    return time.process_time() - start_cpu, time.perf_counter() - start, peak_mib()


def make(folder: Path, n_rows: int) -> None:
    """Write records, one a line, and register them."""
    for index in range(N_IMAGES):
        Image.new("RGB", (64, 64), (index, 2 * index, 100)).save(folder / f"{index}.jpg")
    with (folder / "train.jsonl").open("w") as stream:
        for start in range(0, n_rows, BLOCK):
            for row, name in enumerate(made_ids(start, min(start + BLOCK, n_rows)), start):
                turns = [{"from": "human", "value": f"<image>\nwhat is beside the car in picture {row}?"}]
                turns += [{"from": "gpt", "value": "two people on green grass, and a dog that runs"}]
                if row % 2:
                    turns += [{"from": "human", "value": "and which colour?"}, {"from": "gpt", "value": "red"}]
                record = {"id": name, "image": f"{row % N_IMAGES}.jpg", "conversations": turns}
                stream.write(json.dumps(record) + "\n")
    home = Home.open(folder / "home")
    Registration.create(DATASET, [folder / "train.jsonl"], images=folder).save(home.root)


def ingest(folder: Path) -> None:
    """As the asset ``raw_dataset`` does, but for the pictures of its page."""
    home = Home.open(folder / "home")
    if home.is_stored("raw_dataset", DATASET):
        return
    with home.stage("raw_dataset", DATASET, key="made") as workspace:
        home.put("raw_dataset", DATASET, stage_dataset(workspace, home, DATASET, progress=lambda progress: None))
    home.locks.release("raw_dataset", DATASET)


def walk(folder: Path) -> None:
    """What every pass does before its first shard: a hash of all samples, and which of them share images."""
    samples = training_samples(Home.open(folder / "home").stored("raw_dataset", DATASET))
    samples_digest(samples)
    image_groups(samples)


def draw_signals(folder: Path, n_rows: int) -> None:
    """Tables as passes leave them, with drawn values."""
    home = Home.open(folder / "home")
    _, trajectories = made_tables(n_rows)
    batches = (("attention_trajectories", batch) for batch in trajectories)
    notes = note_steps(STEPS) | note_shapes({"values": (N_CHECKPOINTS, N_VALUES)})
    write_tables(home.table_directory("attention_trajectories", DATASET), batches, metadata=notes)
    write_tables(home.table_directory("answer_scores", DATASET), _drawn("answer_scores", SCORES, n_rows))
    write_tables(home.table_directory("text_lengths", DATASET), _drawn("text_lengths", ("n_answer_tokens",), n_rows))


def _drawn(table: str, columns: tuple[str, ...], n_rows: int) -> Iterator[tuple[str, pa.RecordBatch]]:
    for start in range(0, n_rows, BLOCK):
        stop = min(start + BLOCK, n_rows)
        rng = np.random.default_rng(start)
        values = {name: pa.array(rng.gamma(2, 8, stop - start).astype(np.float32)) for name in columns}
        values = {name: own.cast(pa.int64(), safe=False) if name[:2] == "n_" else own for name, own in values.items()}
        yield table, pa.record_batch({"row": pa.array(range(start, stop)), "sample_id": made_ids(start, stop)} | values)


def cluster(folder: Path) -> None:
    """As the asset ``clusters`` does."""
    home = Home.open(folder / "home")
    trajectories = read_sums(home.stored("attention_trajectories", DATASET))
    write_tables(
        home.table_directory("clusters", DATASET), group_trajectories(trajectories, ClusterSettings(n_clusters=1000))
    )


def choose(folder: Path, method: str, budget: str) -> None:
    """As the asset ``selected_subset`` does, with the manifest, but for pictures and MLflow."""
    home, key = Home.open(folder / "home"), SelectionKey.make(method, budget, 0)
    for model in ("base_model", "proxy_checkpoints"):
        if not home.is_stored(model, DATASET):
            _pretend(home, model)
    excluded = excluded_rows(home, DATASET)
    partition = f"{DATASET}|{key}"
    with home.stage("selected_subset", partition, key="made") as workspace:
        subset = choose_subset(home, DATASET, key, excluded=excluded)
        home.put("selected_subset", partition, stage_subset(workspace, subset))
    home.locks.release("selected_subset", partition)


def _pretend(home: Home, model: str) -> None:
    """A table that names no model, for the manifest."""
    if model == "base_model":
        tables = {"model": pa.table({"directory": [str(home.root)], "digest": ["0" * 64]})}
    else:
        columns = {
            "step": pa.array([], pa.int64()),
            "path": pa.array([], pa.string()),
            "digest": pa.array([], pa.string()),
        }
        tables = {"checkpoints": pa.table(columns)}
    write_tables(home.table_directory(model, DATASET), tables)


def export(folder: Path) -> None:
    """The original records of a fifth of the rows."""
    key, home = SelectionKey.make("random", "0.20", 0), Home.open(folder / "home")
    export_selection(home, DATASET, key, to=folder / "subset.jsonl", file_format=None, force=True)


def explore(folder: Path) -> None:
    """The page of a dataset's rows, by trajectories."""
    write_explorer_of(Home.open(folder / "home"), DATASET)


if __name__ == "__main__":
    main()
