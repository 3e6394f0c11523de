"""The names of what methods look at, and which asset makes each."""

from collections.abc import Iterable
from math import nan
from typing import NamedTuple


class Source(NamedTuple):
    """Where a signal comes from.

    Attributes:
        asset: The asset that makes it.
        table: The asset's table that holds it.
        column: The column, one value (or fixed-size array) per row of the dataset.
        description: What it is, with shape and unit.
        rows: The signal that says which rows should have a value; "" for all.
        absent: What stands where a row has no value.
        per_row: False where the values do not belong to rows of the dataset (one per target task, say).
        supply: What a person must give before the asset can be made, as the end of a sentence; "" for nothing.
    """

    asset: str
    table: str
    column: str
    description: str
    rows: str = ""
    absent: float = nan
    per_row: bool = True
    supply: str = ""


SIGNALS: dict[str, Source] = {
    "sample_ids": Source("raw_dataset", "samples", "sample_id", "Unique stable name of the row, text."),
    "has_image": Source(
        "raw_dataset", "samples", "n_images", "Number of images; nonzero where the row has one.", absent=0
    ),
    "task": Source("raw_dataset", "samples", "task", "The source's task name, or null."),
    "n_turns": Source("raw_dataset", "samples", "n_turns", "Answers in the conversation."),
    "trajectories": Source(
        "attention_trajectories",
        "attention_trajectories",
        "values",
        "Leading singular values of the cross-modal attention, (n_checkpoints, n_values) per row.",
        rows="has_image",
    ),
    "cluster_label": Source(
        "clusters",
        "clusters",
        "label",
        "k-means cluster of the trajectory; -1 in a row without image, or too long to be read.",
        absent=-1,
    ),
    "instability": Source(
        "clusters", "clusters", "instability", "Sum of the trajectory's absolute steps.", rows="cluster_label"
    ),
    "stability_rank": Source(
        "clusters",
        "clusters",
        "stability_rank",
        "Rank by instability inside the cluster, from 0.",
        rows="cluster_label",
        absent=-1,
    ),
    "block_activations": Source(
        "block_activations",
        "block_activations",
        "values",
        "tanh of the mean output of attention blocks, (n_layers, 2, width) per row: image part, then text part "
        "(core.activations.activation_features).",
    ),
    "pooled_features": Source(
        "features", "features", "pooled", "Mean over the row's tokens of the last hidden state, (width,) per row."
    ),
    "attention_maps": Source(
        "attention_maps",
        "attention_maps",
        "values",
        "Mean attention of the text to image positions, on a fixed grid or projected by a seed, "
        "(n_checkpoints, n_dimensions) per row.",
        rows="has_image",
    ),
    "answer_length": Source("text_lengths", "text_lengths", "n_answer_tokens", "Answer tokens over all turns."),
    "loss": Source("answer_scores", "answer_scores", "loss", "Mean loss of the answer tokens, nats."),
    "perplexity": Source("answer_scores", "answer_scores", "perplexity", "exp of the mean loss of the answer tokens."),
    "el2n": Source(
        "answer_scores", "answer_scores", "el2n", "Mean over answer tokens of |softmax - one-hot|, in [0, sqrt 2]."
    ),
    "aum": Source(
        "answer_scores",
        "answer_scores",
        "aum",
        "Mean over answer tokens of the right token's probability minus the largest other one, in [-1, 1].",
    ),
    "ifd": Source(
        "answer_scores", "answer_scores", "ifd", "Loss of the answer given image and prompt / loss of the answer alone."
    ),
    "informativeness": Source(
        "token_spectra", "token_spectra", "entropy", "Entropy of the token features' singular values, nats."
    ),
    "leading_share": Source(
        "token_spectra", "token_spectra", "leading_share", "Largest singular value / sum of all, in (0, 1]."
    ),
    "last_token_features": Source(
        "token_spectra", "token_spectra", "last_token", "Hidden state of the last token, (width,) per row."
    ),
    "attended_features": Source(
        "attended_features",
        "attended_features",
        "features",
        "Mean hidden state of the image tokens that the instruction attends to, (width,) per row.",
        rows="has_image",
    ),
    "gradients": Source(
        "gradients", "gradients", "projected", "Projected LoRA gradient at the last checkpoint, (n_projected,) per row."
    ),
    "gradient_norm": Source(
        "gradients", "gradients", "norm", "L2 norm of the LoRA gradient at the last checkpoint, before projection."
    ),
    "adam_gradients": Source(
        "adam_gradients",
        "adam_gradients",
        "projected",
        "Projected LoRA gradient, preconditioned as Adam would, (n_checkpoints, n_projected) per row.",
    ),
    "learning_rates": Source(
        "warmup_checkpoints",
        "checkpoints",
        "learning_rate",
        "Mean learning rate of the steps that led to each checkpoint, (n_checkpoints,).",
        per_row=False,
    ),
    "validation_gradients": Source(
        "validation_gradients",
        "validation_gradients",
        "projected",
        "Mean over a target task's validation rows of their projected LoRA gradients, each scaled to length 1, "
        "(n_checkpoints, n_projected) per target task.",
        per_row=False,
        supply="it is made from a validation set for each target task, apart from training rows and benchmarks, "
        "which you must provide",
    ),
    "image_embedding": Source(
        "clip_embeddings", "clip_embeddings", "image", "CLIP image embedding, (width,) per row.", rows="has_image"
    ),
    "text_embedding": Source(
        "clip_embeddings", "clip_embeddings", "text", "CLIP embedding of the conversation's text, (width,) per row."
    ),
    "clip_score": Source(
        "clip_embeddings", "clip_embeddings", "score", "Cosine of image and text embedding.", rows="has_image"
    ),
    "difficulty": Source(
        "difficulty_scores", "difficulty_scores", "difficulty", "Minus the weight that the trained score net gives."
    ),
    "tags": Source(
        "tags",
        "tags",
        "tags",
        "Tags of what the row asks for: a list of text per row.",
        supply="it is taken from a column of the dataset, or asked of a chat model (local, or behind an "
        "OpenAI-compatible endpoint), which you must name",
    ),
    "quality_indicators": Source(
        "quality_indicators",
        "quality_indicators",
        "values",
        "CLIP score, answer length and what else is configured (reward, judge), (n_indicators,) per row.",
        rows="has_image",
    ),
    "rated_indicators": Source(
        "quality_indicators",
        "rated_subsets",
        "indicators",
        "Mean quality indicators of the rated subsets, (n_indicators,) per subset.",
        per_row=False,
    ),
    "ratings": Source(
        "quality_ratings",
        "quality_ratings",
        "rating",
        "Quality that each rated subset reached, larger is better, (n_subsets,).",
        per_row=False,
        supply="it holds the scores that a judge or a benchmark gave to models trained on a few subsets, which you "
        "must provide",
    ),
}

# Assets that one pass over the data makes together, whichever of them are wanted.
READ_IN_ONE_PASS = (
    "attention_trajectories",
    "attention_maps",
    "block_activations",
    "features",
    "token_spectra",
    "attended_features",
    "answer_scores",
)

# What an asset with signals, or one that such an asset stands on, is made from besides raw_dataset and base_model. The
# same is said to Dagster by the assets themselves (a test compares the two); here it says what a selection cost.
MADE_FROM: dict[str, tuple[str, ...]] = {
    "raw_dataset": (),
    "proxy_checkpoints": (),
    "attention_trajectories": ("proxy_checkpoints",),
    "clusters": ("attention_trajectories",),
    "attention_maps": ("proxy_checkpoints",),
    "block_activations": ("proxy_checkpoints",),
    "features": ("proxy_checkpoints",),
    "token_spectra": ("proxy_checkpoints",),
    "attended_features": ("proxy_checkpoints",),
    "answer_scores": ("proxy_checkpoints",),
    "warmup_checkpoints": (),
    "gradients": ("warmup_checkpoints",),
    "adam_gradients": ("warmup_checkpoints",),
    "validation_samples": (),
    "text_lengths": (),
    "clip_embeddings": (),
    "difficulty_scores": ("clip_embeddings",),
    "tags": (),
    "quality_ratings": (),
    "quality_indicators": ("text_lengths", "clip_embeddings", "quality_ratings"),
    "validation_gradients": ("warmup_checkpoints", "validation_samples"),
}


def stages_behind(signals: Iterable[str]) -> set[str]:
    """The assets that make these signals, and all that they are made from, besides raw_dataset and base_model."""
    found: set[str] = set()
    waiting = {SIGNALS[name].asset for name in signals}
    while waiting:
        found |= waiting
        waiting = {before for asset in waiting for before in MADE_FROM[asset]} - found
    return found - {"raw_dataset"}
