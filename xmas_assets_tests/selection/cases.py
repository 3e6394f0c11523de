"""Datasets for the selection tests: every signal of the catalogue, small and seeded."""

import numpy as np

from xmas_assets.contracts.signals import SIGNALS
from xmas_assets.core.activations import activation_features
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
        **_representations(has_image, np.random.default_rng(seed + 1)),
        **_scores(has_image, np.random.default_rng(seed + 2)),
        **_gradients(n_samples, np.random.default_rng(seed + 3)),
    }


def _representations(has_image: np.ndarray, rng: np.random.Generator) -> dict:
    """Vectors for the methods that cluster or cover, and the margin that d2_pruning scores by."""
    n_samples = len(has_image)
    image_means = rng.normal(size=(n_samples, 3, 4)) * has_image[:, None, None]
    maps = rng.random((n_samples, 2, 6)).astype(np.float32)
    maps[~has_image] = np.nan
    return {
        "block_activations": activation_features(image_means, rng.normal(size=(n_samples, 3, 4))).astype(np.float16),
        "pooled_features": rng.normal(size=(n_samples, 8)).astype(np.float32),
        "aum": rng.uniform(-1, 1, n_samples).astype(np.float32),
        "attention_maps": maps,
    }


def _scores(has_image: np.ndarray, rng: np.random.Generator) -> dict:
    """One or a few numbers per row, embeddings and tags."""
    n_samples = len(has_image)
    tags = np.empty(n_samples, dtype=object)
    tags[:] = [tuple(f"tag{tag}" for tag in np.flatnonzero(rng.random(8) < 0.3)) for _ in range(n_samples)]
    clip_score = rng.uniform(-1, 1, n_samples)
    indicators, image_embedding, attended = (rng.normal(size=(n_samples, width)) for width in (3, 5, 6))
    for values in (clip_score, indicators, image_embedding, attended):
        values[~has_image] = np.nan
    return {
        "answer_length": rng.integers(1, 20, n_samples),  # with ties
        "perplexity": rng.lognormal(size=n_samples),
        "loss": rng.random(n_samples),
        "el2n": rng.random(n_samples).astype(np.float16),
        "ifd": rng.uniform(0.2, 1.3, n_samples),
        "informativeness": rng.random(n_samples).astype(np.float32),
        "leading_share": rng.uniform(0.1, 1, n_samples).astype(np.float32),
        "last_token_features": rng.normal(size=(n_samples, 6)).astype(np.float16),
        "attended_features": attended.astype(np.float32),
        "difficulty": rng.normal(size=n_samples),
        "image_embedding": image_embedding.astype(np.float32),
        "text_embedding": rng.normal(size=(n_samples, 5)).astype(np.float32),
        "clip_score": clip_score,
        "tags": tags,
        "quality_indicators": indicators,
        "rated_indicators": rng.normal(size=(6, 3)),
        "ratings": rng.random(6),
    }


def _gradients(n_samples: int, rng: np.random.Generator) -> dict:
    """Gradients of rows at two checkpoints, and of three target tasks."""
    return {
        "gradients": rng.normal(size=(n_samples, 7)).astype(np.float16),
        "gradient_norm": rng.lognormal(size=n_samples),
        "adam_gradients": rng.normal(size=(n_samples, 2, 7)).astype(np.float32),
        "validation_gradients": rng.normal(size=(3, 2, 7)).astype(np.float32),
        "learning_rates": np.array([2e-5, 1e-5]),
    }


def by_row(signals: dict) -> dict:
    """Those that have a value per row."""
    return {name: values for name, values in signals.items() if SIGNALS[name].per_row}


def reorder(signals: dict, order: np.ndarray) -> dict:
    """The same dataset with its rows in another order."""
    return signals | {name: values[order] for name, values in by_row(signals).items()}


def with_copies(n_distinct: int, n_copies: int) -> tuple[dict, np.ndarray]:
    """Signals in which every row stands several times, in mixed order with ids ascending; and which row each one is."""
    signals = make_signals(n_distinct, seed=3)
    original = np.random.default_rng(5).permutation(np.repeat(np.arange(n_distinct), n_copies))
    ids = np.array([f"id{number:05d}" for number in range(len(original))], dtype=object)
    return reorder(signals, original) | {"sample_ids": ids}, original
