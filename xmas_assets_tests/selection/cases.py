"""Datasets for the selection tests: every signal of the catalogue, small and seeded."""

import numpy as np

from xmas_assets.core.trajectories import instability, leading_sums, stability_ranks


def make_signals(n_samples: int, *, seed: int = 0, n_clusters: int = 7, n_text: int | None = None) -> dict:
    """All signals of a made-up dataset, its rows in no particular order; a tenth of them text-only by default."""
    rng = np.random.default_rng(seed)
    has_image = np.ones(n_samples, dtype=bool)
    has_image[rng.permutation(n_samples)[: n_samples // 10 if n_text is None else n_text]] = False
    trajectories = rng.random((n_samples, 4, 3)).astype(np.float32)
    labels = np.minimum(rng.geometric(0.3, n_samples) - 1, n_clusters - 1)  # long tail: sizes differ
    moves = instability(leading_sums(trajectories))
    trajectories[~has_image], moves[~has_image], labels[~has_image] = np.nan, np.nan, -1
    return {
        "sample_ids": np.array([f"id{number:05d}" for number in rng.permutation(n_samples)], dtype=object),
        "has_image": has_image.astype(np.int32),
        "task": np.array([None, "count", "colour"], dtype=object)[rng.integers(0, 3, n_samples)],
        "n_turns": rng.integers(1, 4, n_samples),
        "trajectories": trajectories,
        "cluster_label": labels,
        "instability": moves,
        "stability_rank": stability_ranks(labels, np.nan_to_num(moves)),
    }


def reorder(signals: dict, order: np.ndarray) -> dict:
    """The same dataset with its rows in another order."""
    return {name: values[order] for name, values in signals.items()}
