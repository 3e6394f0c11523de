"""Rivals that read a vector of each row, up to 10 million rows: CPU seconds, own memory, and where each ends.

Run: python -m benchmarks.rivals [--rows N ...] [--method NAME ...] [--agreement]. One thread, a process for each case,
what a method prepares and then a choice of a fifth. Vectors are of 1,024 numbers: 65,536 made-up ones, which repeat, as
a file mapped many times over; so ten million rows take no 41 GB of disk, and whoever reads them reads as many.
Own memory leaves out pages of that file, which the system may drop. --agreement compares, at 100,000 rows, clusters in
two steps with those in one.
"""

import argparse
import ctypes
import math
import mmap
import tempfile
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
from sklearn.metrics import adjusted_rand_score

from benchmarks.measuring import best_of, in_child
from xmas_assets.core.clustering import fine_n_clusters
from xmas_assets.core.clusters_by_parts import spherical_clusters
from xmas_assets.selection.methods.coincide import Coincide
from xmas_assets.selection.methods.semdedup import SemDeDup
from xmas_assets.selection.registry import METHODS

WIDTH, N_MADE, N_TASKS, SHARE = 1024, 65_536, 20, 0.2
SIGNAL = {
    "tive": "gradients",
    "less": "adam_gradients",
    "scalselect": "attended_features",
    "semdedup": "pooled_features",
    "self_sup": "pooled_features",
    "coincide": "block_activations",
    "datatailor": "last_token_features",
}
SHAPES = {"adam_gradients": (1, WIDTH), "block_activations": (1, 2, WIDTH // 2)}
N_AGREEMENT = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    parser.add_argument("--method", nargs="+", choices=list(SIGNAL), default=list(SIGNAL))
    parser.add_argument("--agreement", action="store_true", help="compare clusters in two steps with those in one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.bin"
        in_child(make_vectors, path)
        if options.agreement:
            in_child(agree, path)
            return
        print("| method | rows | CPU, s | clock, s | own memory, MiB | slope |\n|---|---|---|---|---|---|", flush=True)
        for method in options.method:
            before: tuple[int, float] | None = None
            for n_rows in options.rows:
                try:
                    seconds, clock, own = in_child(measure, path, method, n_rows)
                except (MemoryError, BrokenProcessPool) as error:  # the size at which it ends
                    print(f"| {method} | {n_rows:,} | ended: {type(error).__name__}: {str(error)[:80]} | | | |")
                    break
                slope = f"{math.log(seconds / before[1]) / math.log(n_rows / before[0]):.2f}" if before else ""
                before = n_rows, seconds
                print(f"| {method} | {n_rows:,} | {seconds:,.1f} | {clock:,.1f} | {own:,.0f} | {slope} |", flush=True)


def make_vectors(path: Path) -> None:
    """A thousand groups of unequal size, in directions that have much in common, as hidden states have."""
    rng = np.random.default_rng(0)
    scales = np.geomspace(3, 0.1, WIDTH, dtype=np.float32)
    centres = rng.standard_normal((1000, WIDTH), dtype=np.float32) * scales
    shares = 1 / np.arange(1, 1001)
    groups = rng.choice(1000, N_MADE, p=shares / shares.sum())
    vectors = centres[groups] + 0.5 * rng.standard_normal((N_MADE, WIDTH), dtype=np.float32) * scales + scales
    vectors *= math.sqrt(2) / np.linalg.norm(vectors, axis=1, keepdims=True)  # two halves of about length 1
    vectors.astype(np.float32).tofile(path)


def vectors_of(path: Path, n_rows: int, shape: tuple[int, ...] = (WIDTH,)) -> np.ndarray:
    """Rows of the file, again and again, at one stretch of addresses."""
    n_bytes = path.stat().st_size
    n_times = -(-n_rows // N_MADE)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
    private, anonymous, fixed = mmap.MAP_PRIVATE, mmap.MAP_ANONYMOUS, 0x10
    start = libc.mmap(None, n_bytes * n_times, 0, private | anonymous | 0x4000, -1, 0)  # addresses alone, no memory
    with path.open("rb") as stream:
        for number in range(n_times):
            place = libc.mmap(start + number * n_bytes, n_bytes, mmap.PROT_READ, private | fixed, stream.fileno(), 0)
            assert place == start + number * n_bytes, "the addresses were not given"
    numbers = (ctypes.c_float * (n_rows * WIDTH)).from_address(start)
    mapped = np.memmap(path, np.float32, "r", shape=(1,))
    whole = np.ndarray.__new__(np.memmap, (n_rows, *shape), np.float32, memoryview(numbers))
    whole.__array_finalize__(mapped)
    return whole


def measure(path: Path, method: str, n_rows: int) -> tuple[float, float, float]:
    """CPU seconds, seconds on the clock and the process's own memory (MiB) of preparing and choosing."""
    name = SIGNAL[method]
    rng = np.random.default_rng(1)
    signals = {
        "sample_ids": np.char.mod("%010d", np.arange(n_rows)),
        "has_image": np.ones(n_rows, dtype=np.int32),
        "task": np.array([f"task{task}" for task in range(N_TASKS)], dtype=object)[rng.integers(N_TASKS, size=n_rows)],
        "n_turns": np.ones(n_rows, dtype=np.int64),
        "gradient_norm": rng.random(n_rows),
        "informativeness": rng.random(n_rows),
        "leading_share": rng.random(n_rows),
        "learning_rates": np.ones(1),
        "validation_gradients": np.ones((3, 1, WIDTH), dtype=np.float32),
        name: vectors_of(path, n_rows, SHAPES.get(name, (WIDTH,))),
    }
    with OwnMemory() as memory:
        start, start_cpu = time.perf_counter(), time.process_time()
        chosen = METHODS[method]().select(signals, SHARE, 0)
        seconds = time.process_time() - start_cpu, time.perf_counter() - start
    assert len(chosen) == round(SHARE * n_rows)
    return *seconds, memory.most_mib


class OwnMemory:
    """The most memory, looked at ten times a second, that is this process's own and no page of a file."""

    def __enter__(self) -> "OwnMemory":
        self.most_mib = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.1):
            words = Path("/proc/self/status").read_text().split()
            self.most_mib = max(self.most_mib, int(words[words.index("RssAnon:") + 1]) / 1024)


def agree(path: Path) -> None:
    """How near clusters in two steps come to those in one, beside how near one step comes to itself by another seed."""
    rng = np.random.default_rng(2)
    rows = np.fromfile(path, np.float32).reshape(-1, WIDTH)
    values = np.concatenate([rows, rows[: N_AGREEMENT - len(rows)]])
    values += 0.005 * rng.standard_normal(values.shape, dtype=np.float32)  # or a third of the rows would be copies
    n_clusters = fine_n_clusters(N_AGREEMENT)
    runs = {
        "one step": lambda: spherical_clusters(values, n_clusters, seed=0),
        "one step, another seed": lambda: spherical_clusters(values, n_clusters, seed=1),
        "two steps": lambda: spherical_clusters(values, n_clusters, seed=0, exact_rows=1),
    }
    print(
        "| clusters | CPU, s | mean cosine to the centroid | adjusted Rand index | of COINCIDE's rows | of SemDeDup's |"
        "\n|---|---|---|---|---|---|"
    )
    expected: tuple[np.ndarray, list[set[int]]] | None = None
    for name, run in runs.items():
        seconds, (labels, centroids) = best_of(run, repeats=1)
        cosine = float(np.mean(np.einsum("ij,ij->i", values, centroids[labels]) / np.linalg.norm(values, axis=1)))
        chosen = chosen_from(values, labels, centroids)
        expected = expected or (labels, chosen)
        same = [f"{len(own & first) / len(own):.0%}" for own, first in zip(chosen, expected[1], strict=True)]
        index = adjusted_rand_score(expected[0], labels)
        print(f"| {name} | {seconds:,.0f} | {cosine:.4f} | {index:.3f} | {' | '.join(same)} |", flush=True)


def chosen_from(values: np.ndarray, labels: np.ndarray, centroids: np.ndarray) -> list[set[int]]:
    """A fifth of the rows by COINCIDE and by SemDeDup, given the clusters."""
    names = {"sample_ids": np.char.mod("%010d", np.arange(len(values)))}
    halves = centroids.reshape(len(centroids), 1, 2, -1)
    directions = values / np.linalg.norm(values, axis=1, keepdims=True)
    distances = 1 - np.einsum("ij,ij->i", directions, centroids[labels])
    prepared = (
        (Coincide(), Coincide().describe_clusters(values, labels, halves)),
        (SemDeDup(), SemDeDup().compare_rows(directions, labels, distances) | {"labels": labels}),
    )
    return [set(method.select(names, SHARE, 0, prepared=arrays).tolist()) for method, arrays in prepared]


if __name__ == "__main__":
    main()
