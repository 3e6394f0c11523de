"""Cost of choosing by clusters, graphs and coverage against the published formulations, re-created here.

Run: python -m benchmarks.choices_clusters [--large]. One thread, CPU seconds, best of 3 (1 where the published side
takes seconds); every row checks that both sides give the same answer. --large runs xmas_coverage and xmas_distinct at
665,298 x 224 and 20 % (minutes, 3 GB), and nothing else.
"""

import argparse

import numpy as np
import torch
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import kneighbors_graph
from threadpoolctl import threadpool_limits

from benchmarks.measuring import best_of, peak_mib, report
from xmas_assets.core.coverage import coverage_order, farthest_first
from xmas_assets.core.graph_pruning import greedy_order, mutual_graph, spread_scores
from xmas_assets.core.mmd import gaussian_kernels, greedy_mmd_orders
from xmas_assets.core.neighbours import nearest_neighbours
from xmas_assets.selection.base import Method
from xmas_assets.selection.methods.xmas_coverage import XmasCoverage
from xmas_assets.selection.methods.xmas_distinct import XmasDistinct

SHARE = 0.2
N_LLAVA = 665_298


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--large", action="store_true")
    large = parser.parse_args().large
    torch.set_num_threads(1)
    with threadpool_limits(limits=1):
        if large:
            cover_llava()
            return
        print("| what | published, s | ours, s | ratio | target | checked |\n|---|---|---|---|---|---|")
        for n_rows, target in ((67, ">= 15"), (200, ">= 200"), (500, ">= 2000")):
            compare_mmd(n_rows, target)
        compare_batched_mmd()
        compare_d2_order()
        compare_farthest_first()
        compare_cells()


def compare_mmd(n_rows: int, target: str) -> None:
    kernels, count = made_kernels(1, n_rows), int(SHARE * n_rows)
    published, expected = best_of(lambda: published_mmd(kernels[0], count), repeats=3 if n_rows < 500 else 1)
    ours, orders = best_of(lambda: greedy_mmd_orders(kernels, np.array([n_rows]), n_steps=count), repeats=10)
    assert orders[0].tolist() == expected
    report(f"greedy MMD, {count} of {n_rows} rows", published, ours, same="order", target=target)


def compare_batched_mmd(n_clusters: int = 2000, n_rows: int = 67, n_compared: int = 20) -> None:
    kernels, count = made_kernels(n_clusters, n_rows), int(SHARE * n_rows)
    published, expected = best_of(lambda: [published_mmd(kernel, count) for kernel in kernels[:n_compared]])
    sizes = np.full(n_clusters, n_rows)
    ours, orders = best_of(lambda: greedy_mmd_orders(kernels, sizes, n_steps=count))
    assert orders[:n_compared].tolist() == expected
    what = f"greedy MMD, {count} of {n_rows} rows, {n_clusters} clusters at once, per cluster"
    report(what, published / n_compared, ours / n_clusters, same=f"order of {n_compared}", target=">= 80")


def compare_d2_order(n_rows: int = 5000, n_features: int = 256, n_neighbours: int = 5) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(n_rows, n_features)).astype(np.float32) / np.sqrt(n_features)
    scores = rng.uniform(-1, 1, n_rows)
    published, expected = best_of(lambda: published_d2_order(features, scores, n_neighbours), repeats=1)
    ours, order = best_of(lambda: our_d2_order(features, scores, n_neighbours))
    assert order.tolist() == expected
    what = f"D2 exact graph and order, {n_rows} x {n_features}"
    report(what, published, ours, same="order of all rows", target=">= 2")


def compare_farthest_first(n_rows: int = 10_000) -> None:
    # Whole numbers: float32 holds their distances exactly, so rounding cannot swap rows that are nearly as far.
    maps, count = np.rint(16 * made_maps(n_rows)), int(SHARE * n_rows)
    plain, expected = best_of(lambda: one_by_one(maps, count), repeats=1)
    ours, (order, _) = best_of(lambda: farthest_first(maps, count))
    assert order.tolist() == expected.tolist()
    report(f"exact farthest-first, {count} of {n_rows} x {maps.shape[1]}", plain, ours, same="order")


def compare_cells(n_rows: int = 20_000, n_parts: int = 16) -> None:
    """Not the same rows: how far the form in cells is from the exact one."""
    maps, count = made_maps(n_rows), int(SHARE * n_rows)
    exact, (order, _) = best_of(lambda: farthest_first(maps, count), repeats=1)
    whole, in_cells = best_of(lambda: coverage_order(maps, cell_rows=n_rows // n_parts), repeats=1)
    chosen = in_cells[:count]
    overlap = len(set(chosen.tolist()) & set(order.tolist())) / count
    radii = [
        covering_radius(maps, rows) for rows in (order, chosen, np.random.default_rng(1).permutation(n_rows)[:count])
    ]
    print(
        f"\nfarthest-first, {count} of {n_rows} x {maps.shape[1]}: exact {exact:.2f} s, covering radius {radii[0]:.4f};"
    )
    print(f"in {n_parts} cells, order of all rows {whole:.2f} s, radius {radii[1]:.4f}, overlap {overlap:.3f};")
    print(f"random rows: radius {radii[2]:.4f}", flush=True)


def cover_llava() -> None:
    maps = made_maps(N_LLAVA)
    signals = {
        "sample_ids": np.array([f"{row:09d}" for row in range(N_LLAVA)]),
        "has_image": np.ones(N_LLAVA, dtype=np.int32),
        "attention_maps": maps,
    }
    choose_large(XmasDistinct(), signals)
    rows = choose_large(XmasCoverage(), signals)
    random = np.random.default_rng(1).permutation(N_LLAVA)[: len(rows)]
    sample = maps[:: N_LLAVA // 2000]
    radii = [covering_radius(sample, np.arange(len(chosen)), centres=maps[chosen]) for chosen in (rows, random)]
    print(f"covering radius of {len(sample)} rows: {radii[0]:.4f}; by random rows {radii[1]:.4f}")


def choose_large(method: Method, signals: dict[str, np.ndarray]) -> np.ndarray:
    before = peak_mib()
    seconds, prepared = best_of(lambda: method.prepare(signals), repeats=1)
    again, rows = best_of(lambda: method.select(signals, SHARE, 0, prepared=prepared), repeats=1)
    shape = signals["attention_maps"].shape
    print(f"{method.name}, {shape[0]} x {shape[1]}: prepared in {seconds:.0f} s, {len(rows)} rows in {again:.1f} s")
    print(f"peak memory {peak_mib():.0f} MiB, of which {before:.0f} MiB before", flush=True)
    return rows


def made_kernels(n_clusters: int, n_rows: int) -> np.ndarray:
    points = np.random.default_rng(n_rows).normal(size=(n_clusters, n_rows, 16)) / 4
    return gaussian_kernels(points, bandwidth=1.0)


def made_maps(n_rows: int, *, n_checkpoints: int = 7, n_dimensions: int = 32, group_size: int = 35) -> np.ndarray:
    """Groups of near-duplicates, four fifths of the rows in a quarter of the groups, in 30 dimensions plus noise."""
    rng = np.random.default_rng(0)
    n_groups, n_features = max(4, n_rows // group_size), n_checkpoints * n_dimensions
    centres = (rng.normal(size=(n_groups, 30)) @ rng.normal(size=(30, n_features)) / np.sqrt(30)).astype(np.float32)
    common = rng.random(n_rows) < 0.8
    groups = np.where(common, rng.integers(0, n_groups // 4, n_rows), rng.integers(0, n_groups, n_rows))
    maps = rng.standard_normal((n_rows, n_features), dtype=np.float32)
    maps *= 0.1
    for start in range(0, n_rows, 4096):
        maps[start : start + 4096] += centres[groups[start : start + 4096]]
    return maps


def published_mmd(kernel: np.ndarray, count: int) -> list[int]:
    """As published: every candidate's whole subset is gathered from the kernel anew, in both of its terms."""
    matrix = torch.from_numpy(kernel)
    chosen: list[int] = []
    for _ in range(count):
        left = np.setdiff1d(np.arange(len(kernel)), chosen)
        subsets = torch.from_numpy(np.column_stack([np.tile(np.array(chosen, dtype=left.dtype), (len(left), 1)), left]))
        to_all = matrix[:, subsets].mean(dim=(0, 2))
        inside = matrix[subsets[:, :, None], subsets[:, None, :]].mean(dim=(1, 2))
        chosen.append(int(left[int(torch.argmin(matrix.mean() + inside - 2 * to_all))]))
    return chosen


def published_d2_order(features: np.ndarray, scores: np.ndarray, n_neighbours: int) -> list[int]:
    """As published: dense distances, a dense graph filled edge by edge, and a scan of all rows per step."""
    distances = pairwise_distances(features)
    graph = np.asarray(kneighbors_graph(features, n_neighbours).todense())
    for row, other in zip(*graph.nonzero(), strict=True):
        fading = np.exp(-distances[row, other])
        graph[row, other] = fading * max(scores[other], 1e-7)
        graph[other, row] = fading * max(scores[row], 1e-7)
    density = np.array([graph[row].sum() + scores[row] for row in range(len(scores))])
    order: list[int] = []
    while len(order) < len(scores):
        row = int(np.argmax(density))
        near = (graph[row] > 0).nonzero()[0]
        density[near] -= np.exp(-distances[row, near]) * density[row]
        order.append(row)
        density[order] = min(density) - 1
    return order


def our_d2_order(features: np.ndarray, scores: np.ndarray, n_neighbours: int) -> np.ndarray:
    neighbours, squares = nearest_neighbours(features, n_neighbours)
    graph = mutual_graph(neighbours, np.sqrt(squares))
    return greedy_order(graph, spread_scores(graph, scores, gamma=1.0), gamma=1.0)


def one_by_one(values: np.ndarray, count: int) -> np.ndarray:
    """Farthest-first as it is usually written: all distances to the one row just taken."""
    norms = np.einsum("ij,ij->i", values, values)
    order = [int(np.square(values - values.mean(axis=0)).sum(axis=1).argmin())]
    nearest = np.full(len(values), np.inf, dtype=np.float32)
    while len(order) < count:
        row = order[-1]
        np.minimum(nearest, norms - 2 * (values @ values[row]) + norms[row], out=nearest)
        nearest[row] = -np.inf
        order.append(int(nearest.argmax()))
    return np.array(order)


def covering_radius(values: np.ndarray, chosen: np.ndarray, *, centres: np.ndarray | None = None) -> float:
    """Largest distance from any row to the nearest chosen one."""
    centres = values[chosen] if centres is None else centres
    norms = np.einsum("ij,ij->i", centres, centres)
    worst = 0.0
    for start in range(0, len(values), 256):
        block = values[start : start + 256]
        nearest = (norms - 2 * block @ centres.T).min(axis=1) + np.einsum("ij,ij->i", block, block)
        worst = max(worst, float(nearest.max()))
    return worst**0.5


if __name__ == "__main__":
    main()
