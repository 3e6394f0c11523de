"""Which engine for k-means on trajectories: seconds, how good the clusters are, and whether threads change the bytes.

Run: python -m benchmarks.kmeans_engines. 256,000 made-up trajectories of 7 checkpoints, K = 1000, 20 iterations from
the same centroids, one thread, CPU seconds; then each of 665,298 rows to its nearest centroid.
"""

from collections.abc import Callable

import faiss
import numpy as np
import torch
from scipy.spatial import KDTree
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from benchmarks.made_trajectories import made_sums
from benchmarks.measuring import best_of

N_TRAINED, N_CLUSTERS, N_ITERATIONS, N_ASSIGNED = 256_000, 1000, 20, 665_298
BLOCK = 4096  # rows
Train = Callable[[np.ndarray, np.ndarray], np.ndarray]


def main() -> None:
    rows = made_sums(0, N_TRAINED)
    initial = rows[np.random.default_rng(1).choice(len(rows), N_CLUSTERS, replace=False)]
    print("| training | s | mean squared distance | bytes on 2 threads |\n|---|---|---|---|")
    engines = {
        f"faiss {faiss.__version__}": by_faiss,
        "scikit-learn, Lloyd": by_sklearn("lloyd"),
        "scikit-learn, Elkan": by_sklearn("elkan"),
        "torch, blocks of products": by_torch,
        "scipy's k-d tree and bincount": by_tree,
    }
    for name, train in engines.items():
        on_threads(1)
        with threadpool_limits(limits=1):
            seconds, centroids = best_of(lambda train=train: train(rows, initial), repeats=1)
        distance = np.square(KDTree(centroids).query(rows)[0]).mean()
        on_threads(2)
        with threadpool_limits(limits=2):
            same = train(rows, initial).tobytes() == centroids.tobytes()
        print(f"| {name} | {seconds:.2f} | {distance:.4f} | {'the same' if same else 'different'} |", flush=True)
    on_threads(1)
    with threadpool_limits(limits=1):
        compare_assignments(made_sums(1, N_ASSIGNED), initial)


def compare_assignments(rows: np.ndarray, centroids: np.ndarray) -> None:
    index = faiss.IndexFlatL2(rows.shape[1])
    index.add(centroids)
    exact, labels = best_of(lambda: index.search(rows, 1)[1][:, 0])
    tree, others = best_of(lambda: KDTree(centroids).query(rows)[1])
    n_different = int((labels != others).sum())
    print(
        f"\nNearest of {len(centroids)} centroids for {len(rows):,} rows: faiss {exact:.2f} s, k-d tree {tree:.2f} s;"
    )
    print(f"{n_different} rows are so near to two that float32 and float64 differ")


def by_faiss(rows: np.ndarray, initial: np.ndarray) -> np.ndarray:
    engine = faiss.Kmeans(rows.shape[1], len(initial), niter=N_ITERATIONS, seed=1234, max_points_per_centroid=len(rows))
    engine.train(rows, init_centroids=initial)
    return np.asarray(engine.centroids)


def by_sklearn(algorithm: str) -> Train:
    def train(rows: np.ndarray, initial: np.ndarray) -> np.ndarray:
        settings: dict = {"init": initial, "n_init": 1, "max_iter": N_ITERATIONS, "tol": 0, "algorithm": algorithm}
        model = KMeans(len(initial), **settings)
        return model.fit(rows).cluster_centers_

    return train


def by_torch(rows: np.ndarray, initial: np.ndarray) -> np.ndarray:
    points, centroids = torch.from_numpy(rows), torch.from_numpy(initial)
    for _ in range(N_ITERATIONS):
        halves = centroids.square().sum(dim=1) / 2
        labels = torch.cat([(halves - block @ centroids.T).argmin(dim=1) for block in points.split(BLOCK)])
        sums = torch.zeros_like(centroids).index_add_(0, labels, points)
        sizes = torch.bincount(labels, minlength=len(centroids))[:, None]
        centroids = torch.where(sizes > 0, sums / sizes, centroids)
    return centroids.numpy()


def by_tree(rows: np.ndarray, initial: np.ndarray) -> np.ndarray:
    centroids = initial.astype(np.float64)
    for _ in range(N_ITERATIONS):
        labels = KDTree(centroids).query(rows)[1]
        sums = np.stack([np.bincount(labels, column, len(centroids)) for column in rows.T], axis=1)
        sizes = np.bincount(labels, minlength=len(centroids))[:, None]
        centroids = np.where(sizes > 0, sums / np.maximum(sizes, 1), centroids)
    return centroids


def on_threads(count: int) -> None:
    torch.set_num_threads(count)
    faiss.omp_set_num_threads(count)


if __name__ == "__main__":
    main()
