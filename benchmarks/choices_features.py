"""Cost of choosing by features and gradients against the published formulations.

Run: python -m benchmarks.choices_features [--quick | --large]. One thread, CPU seconds, best of 3 (1 where the
published side takes seconds); every row checks that both sides give the same answer. --quick takes a fifth of the
rows. --large streams leverage scores of 665,298 x 1024 from disk and clusters a task of 82,783 rows (minutes), and
nothing else.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from sklearn.metrics import adjusted_rand_score

from benchmarks.measuring import best_of, in_child, peak_mib, report
from benchmarks.published_features import (
    published_influence,
    published_instability,
    published_leverage,
    published_relations,
    published_ward,
)
from xmas_assets.core.influence import mean_cosines
from xmas_assets.core.leverage import leverage_scores
from xmas_assets.core.relations import centroid_affinity, group_means, uniqueness
from xmas_assets.core.trajectories import instability
from xmas_assets.core.ward import ward_labels

N_LLAVA, N_LARGEST_TASK, WIDTH = 665_298, 82_783, 1024
BLOCK = 4096  # rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--large", action="store_true")
    arguments = parser.parse_args()
    if arguments.large:
        stream_llava()
        cluster_largest_task()
        return
    share = 5 if arguments.quick else 1
    print("| what | published, s | ours, s | ratio | target | checked |\n|---|---|---|---|---|---|")
    for compare, n_rows in (
        (compare_instability, N_LLAVA),
        (compare_tive, 10_000),
        (compare_relations, 10_000),
        (compare_leverage, 50_000),
        (compare_ward, 10_000),
        (agree_by_parts, 10_000),
    ):
        in_child(compare, n_rows // share)


def compare_instability(n_rows: int) -> None:
    trajectories = np.random.default_rng(0).random((n_rows, 7), dtype=np.float32)
    published, expected = best_of(lambda: published_instability(trajectories), repeats=1)
    ours, values = best_of(lambda: instability(trajectories))
    assert values.tobytes() == expected.tobytes()
    report(f"instability, {n_rows:,} x 7", published, ours, same="bit for bit", target=">= 80")


def compare_tive(n_rows: int) -> None:
    gradients = np.random.default_rng(0).normal(size=(n_rows, 2048)).astype(np.float32) + 0.1
    groups = np.zeros(n_rows, dtype=np.int64)
    published, expected = best_of(lambda: published_influence(gradients), repeats=1)
    ours, values = best_of(lambda: mean_cosines(lambda: [gradients], groups))
    error = np.abs(values - expected).max()
    assert error < 1e-6
    report(f"TIVE instance values, {n_rows:,} x 2048", published, ours, same=f"within {error:.0e}", target=">= 100")


def compare_relations(n_rows: int, per_cluster: int = 40) -> None:
    features = mixture(n_rows)
    clusters = np.arange(n_rows) // per_cluster
    weights = np.random.default_rng(1).random(n_rows).astype(np.float32)
    published, expected = best_of(lambda: published_relations(features, clusters, weights), repeats=1)
    ours, values = best_of(lambda: our_relations(features, clusters, weights))
    errors = [float(np.abs(new / old - 1).max()) for new, old in zip(values, expected, strict=True)]
    assert max(errors) < 1e-3
    same = f"within {errors[0]:.0e} and {errors[1]:.0e}"
    report(f"DataTailor relation values, {n_rows:,} x {WIDTH}", published, ours, same=same, target=">= 15")


def compare_leverage(n_rows: int) -> None:
    (published, old_mib, expected), (ours, new_mib, scores) = (
        in_child(side, n_rows) for side in (published_leverage_cost, our_leverage_cost)
    )
    count = n_rows // 5
    assert set(np.argsort(-scores, kind="stable")[:count]) == set(np.argsort(-expected, kind="stable")[:count])
    error = float(np.abs(scores / expected - 1).max())
    same = f"top 20 %, within {error:.0e}; peak {old_mib:.0f} and {new_mib:.0f} MiB above the rows"
    report(f"leverage scores, {n_rows:,} x {WIDTH}", published, ours, same=same, target=">= 6, memory <= 1/10")


def compare_ward(n_rows: int) -> None:
    (published, old_mib, expected), (ours, new_mib, labels) = (
        in_child(side, n_rows) for side in (published_ward_cost, our_ward_cost)
    )
    assert (labels == expected).all()
    same = f"{labels.max() + 1} clusters, labels equal; peak {old_mib:.0f} and {new_mib:.0f} MiB above the rows"
    report(f"Ward, {n_rows:,} x {WIDTH}", published, ours, same=same, target=">= 1.5, memory about 1/2")


def agree_by_parts(n_rows: int) -> None:
    """How near clustering by parts comes to exact Ward, cut into as many parts as the largest task would be.

    For comparison, how near exact Ward comes to itself when one row in a hundred is left out.
    """
    limit, left_out = 2 * (-(-n_rows // 16)), n_rows // 100
    for name, features in (("groups", mixture(n_rows)), ("one cloud", cloud(n_rows))):
        exact_seconds, exact = best_of(lambda rows=features: ward_labels(rows), repeats=1)
        seconds, parts = best_of(lambda rows=features: ward_labels(rows, exact_rows=limit), repeats=1)
        index = adjusted_rand_score(exact, parts)
        own = adjusted_rand_score(exact[left_out:], ward_labels(features[left_out:]))
        counts = f"{exact.max() + 1} and {parts.max() + 1} clusters"
        same = f"adjusted Rand index {index:.3f} ({own:.3f} without 1 % of the rows); {counts}"
        report(f"Ward by 16 parts, {n_rows:,} x {WIDTH}, {name}", exact_seconds, seconds, same=same)


def stream_llava() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.npy"
        in_child(write_rows, path)
        seconds, peak, total = in_child(stream_cost, path)
    what = f"leverage scores, {N_LLAVA:,} x {WIDTH} float32 from disk"
    print(f"{what}: {seconds:.0f} s, peak {peak:.0f} MiB, sum of scores {total:.3f}")


def cluster_largest_task() -> None:
    seconds, peak, n_clusters = in_child(largest_task_cost)
    print(f"Ward, {N_LARGEST_TASK:,} x {WIDTH}: {seconds:.0f} s, peak {peak:.0f} MiB, {n_clusters} clusters")


def write_rows(path: Path) -> None:
    rows = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(N_LLAVA, WIDTH))
    rng = np.random.default_rng(0)
    scales = np.geomspace(1, 0.05, WIDTH).astype(np.float32)
    for start in range(0, N_LLAVA, BLOCK):
        block = rows[start : start + BLOCK]
        block[:] = rng.standard_normal(block.shape, dtype=np.float32) * scales


def stream_cost(path: Path) -> tuple[float, float, float]:
    def blocks():
        # Read, not mapped: pages of a map would count as this process's memory while the machine has no other use.
        with path.open("rb") as stream:
            np.lib.format.read_magic(stream)
            shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
            for start in range(0, shape[0], BLOCK):
                n_rows = min(BLOCK, shape[0] - start)
                yield np.fromfile(stream, dtype, n_rows * shape[1]).reshape(n_rows, shape[1])

    seconds, leverage = best_of(lambda: leverage_scores(blocks), repeats=1)
    return seconds, peak_mib(), float(leverage.scores.sum())


def largest_task_cost() -> tuple[float, float, int]:
    features = mixture(N_LARGEST_TASK)
    seconds, labels = best_of(lambda: ward_labels(features), repeats=1)
    return seconds, peak_mib(), int(labels.max()) + 1


def our_leverage_cost(n_rows: int) -> tuple[float, float, np.ndarray]:
    rows = scaled_rows(n_rows)
    before = peak_mib()
    blocks = [rows[start : start + BLOCK] for start in range(0, n_rows, BLOCK)]
    seconds, leverage = best_of(lambda: leverage_scores(lambda: blocks), repeats=1)
    return seconds, peak_mib() - before, leverage.scores


def published_leverage_cost(n_rows: int) -> tuple[float, float, np.ndarray]:
    rows = scaled_rows(n_rows)
    before = peak_mib()
    seconds, scores = best_of(lambda: published_leverage(rows), repeats=1)
    return seconds, peak_mib() - before, scores


def our_ward_cost(n_rows: int) -> tuple[float, float, np.ndarray]:
    features = mixture(n_rows)
    before = peak_mib()
    seconds, labels = best_of(lambda: ward_labels(features), repeats=1)
    return seconds, peak_mib() - before, labels


def published_ward_cost(n_rows: int) -> tuple[float, float, np.ndarray]:
    features = mixture(n_rows)
    before = peak_mib()
    seconds, labels = best_of(lambda: published_ward(features), repeats=1)
    return seconds, peak_mib() - before, labels


def mixture(n_rows: int) -> np.ndarray:
    """Groups of very unequal size and spread, as hidden states of a task have them."""
    rng = np.random.default_rng(0)
    n_groups = max(2, n_rows // 50)
    shares = 1 / np.arange(1, n_groups + 1)
    groups = rng.choice(n_groups, n_rows, p=shares / shares.sum())
    centres = rng.standard_normal((n_groups, WIDTH), dtype=np.float32) * np.geomspace(3, 0.1, WIDTH, dtype=np.float32)
    spread = rng.uniform(0.05, 0.5, n_groups).astype(np.float32)[groups, None]
    return centres[groups] + spread * rng.standard_normal((n_rows, WIDTH), dtype=np.float32)


def featureless(n_rows: int) -> np.ndarray:
    """One cloud that has long directions but no groups."""
    rng = np.random.default_rng(1)
    return rng.standard_normal((n_rows, WIDTH), dtype=np.float32) * np.geomspace(3, 0.01, WIDTH, dtype=np.float32)


def cloud(n_rows: int) -> np.ndarray:
    """One cloud with a few long directions: Ward's borders through it are arbitrary, the hardest case to agree on."""
    scales = 3 * np.exp(-np.arange(WIDTH, dtype=np.float32) / 5)
    return np.random.default_rng(2).standard_normal((n_rows, WIDTH), dtype=np.float32) * scales


def scaled_rows(n_rows: int) -> np.ndarray:
    return featureless(n_rows) + np.float32(0.5)


def our_relations(features: np.ndarray, clusters: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    affinity = centroid_affinity(group_means(features, clusters))
    return affinity[clusters] * weights, uniqueness(features, clusters, weights)


if __name__ == "__main__":
    main()
