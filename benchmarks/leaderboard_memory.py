"""Comparing many targets on a benchmark of VQAv2's size, with made-up answers: seconds and peak memory."""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from benchmarks.measuring import in_child, peak_mib
from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.data.benchmark_registration import BenchmarkRegistration
from xmas_assets.data.registration import Registration
from xmas_assets.home.benchmarks import partition_of
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables, stage
from xmas_assets.stages import benchmarks as stages
from xmas_assets.stages.comparison import compare_benchmarks
from xmas_assets.stages.scores import BENCHMARK_ANSWERS_SCHEMA
from xmas_assets.store.tables import write_tables

N_QUESTIONS, N_IMAGES, N_TARGETS = 214_354, 40_504, 50  # of VQAv2's validation part; ten selections of five seeds
_WORDS = np.array([f"word {number}" for number in range(3000)])
_SELECTIONS = [(method, budget) for method in ("random", "xmas", "el2n") for budget in ("0.05", "0.10", "0.20")]

_OWN = pl.DataFrame({"question_id": ["q"], "image_hash": [""], "task": ["t"], "score": [1.0]})


def main() -> None:
    """Print what one comparison takes."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home.open(folder)
        in_child(_make, Path(folder))
        partitions = home.stored_partitions("benchmark_scores", "made")
        scores = {partition: home.stored("benchmark_scores", partition) for partition in partitions}
        before = peak_mib()
        started = time.process_time()
        raw = StoredTables(home.table_directory("raw_dataset", "made"))
        compared = compare_benchmarks(home, "made", raw, scores, blind={})
        seconds = time.process_time() - started
    print(f"{N_TARGETS} targets x {N_QUESTIONS:,} questions: {seconds:.0f} CPU s, peak {peak_mib():.0f} MiB", end="")
    print(f", of which {before:.0f} MiB before")
    print(compared["benchmark_overall"].select("method", "budget", "rel", "vs_random").write_csv(), file=sys.stderr)


def _make(folder: Path) -> None:
    """Register a dataset and a benchmark, and store items and answers."""
    home = Home.open(folder)
    rng = np.random.default_rng(0)
    for name in ("questions.json", "train.json"):
        (folder / name).write_text("[]")
    BenchmarkRegistration.create("vqav2", [folder / "questions.json"]).save(home.root)
    Registration.create("made", [folder / "train.json"], benchmarks=("vqav2",)).save(home.root)
    right = _WORDS[rng.zipf(1.5, N_QUESTIONS) % len(_WORDS)]
    images = [f"{number:064x}" for number in rng.integers(N_IMAGES, size=N_QUESTIONS)]
    key = stages.combine(stages.items_version(home, "vqav2"), stages._VERSION)
    with home.shared_work("benchmark_items", partition_of("vqav2"), key) as workspace:
        refused = pa.Table.from_pylist([], stages.REFUSED_SCHEMA)
        stage(workspace, {"items": _items(right, images, rng), "refused": refused})
    write_tables(home.table_directory("raw_dataset", "made"), {"samples": _no_samples()})
    for method, budget in [*_SELECTIONS, ("full", "1")]:
        for seed in range(5):
            partition = f"made|{SelectionKey.make(method, budget, seed)}"
            said = np.where(rng.random(N_QUESTIONS) < 0.5 + float(budget) / 5, right, rng.permutation(right))
            columns = {"benchmark": "vqav2", "item_id": [str(n) for n in range(N_QUESTIONS)], "image_hash": images}
            columns |= {"question": [f"What is number {n}?" for n in range(N_QUESTIONS)], "answer": said, "score": 0.0}
            frame = pl.DataFrame(columns, schema=BENCHMARK_ANSWERS_SCHEMA)
            write_tables(
                home.table_directory("benchmark_scores", partition), {"benchmark_answers": frame, "answers": _OWN}
            )


def _items(right: np.ndarray, images: list[str], rng: np.random.Generator) -> pa.Table:
    others = _WORDS[rng.integers(len(_WORDS), size=(len(right), 3))]
    rows = [
        {
            "sample_id": str(number),
            "images": [f"COCO_val2014_{int(image, 16):012d}.jpg"],
            "image_hashes": [image],
            "turns": [
                {"role": "user", "text": f"<image>\nWhat is number {number}?"},
                {"role": "assistant", "text": ""},
            ],
            "question": f"What is number {number}?",
            "references": [str(word)] * 7 + [str(other) for other in more],
            "categories": json.dumps({"answer_type": "other", "question_type": "what is"}),
            "details": "{}",
        }
        for number, (image, word, more) in enumerate(zip(images, right, others, strict=True))
    ]
    return pa.Table.from_pylist(rows, stages.ITEMS_SCHEMA)


def _no_samples() -> pa.Table:
    from xmas_assets.data.tables import TABLE_SCHEMAS

    return TABLE_SCHEMAS["samples"].empty_table()


if __name__ == "__main__":
    main()
