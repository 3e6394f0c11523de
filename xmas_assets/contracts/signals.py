"""The signals that methods look at: one row per asset that makes some, and nowhere else a list of them.

A new signal of the forward pass is its class in ``extraction/``, a row here, and its section of the settings.
"""

from collections.abc import Iterable
from math import nan
from typing import NamedTuple


class Source(NamedTuple):
    """Where a signal is stored, and what it is.

    Attributes:
        column: The column that holds it, one value (or fixed-size list) per row of the table.
        description: What it is, with its unit.
        shape: Names of the axes of one row's value; () for a single number or text.
        rows: The signal that says which rows should have a value; "" for all.
        absent: What is stored where a row has no value.
        per_row: False where the values do not belong to rows of the dataset (one per target task, say).
        table: The asset's table; "" for the one that bears the asset's name.
        asset: The asset; filled in from the signal's row.
    """

    column: str
    description: str
    shape: tuple[str, ...] = ()
    rows: str = ""
    absent: float = nan
    per_row: bool = True
    table: str = ""
    asset: str = ""


class SignalAsset(NamedTuple):
    """An asset that makes signals.

    Attributes:
        signals: What it makes, by name.
        made_from: The assets that it is made from, besides raw_dataset and base_model.
        reader: ``module:name`` in ``extraction/`` of what makes its ``Signal`` out of its settings, for the assets that
            one pass over the data reads together, whichever of them are wanted; "" for all others.
        settings: The section of the settings that concerns it alone, for an asset with a reader; "" for none.
        code_version: Raised when the same inputs would give another table, for an asset with a reader.
        requirement: What a person must give before it can be made, as the end of a sentence; "" for nothing.
    """

    signals: dict[str, Source]
    made_from: tuple[str, ...] = ()
    reader: str = ""
    settings: str = ""
    code_version: str = "2"
    requirement: str = ""


_PROXY = ("proxy_checkpoints",)

SIGNAL_ASSETS: dict[str, SignalAsset] = {
    "raw_dataset": SignalAsset(
        {
            "sample_ids": Source("sample_id", "Unique stable name of the row, text.", table="samples"),
            "has_image": Source(
                "n_images", "Number of images; nonzero where the row has one.", absent=0, table="samples"
            ),
            "task": Source("task", "The source's task name, or null.", table="samples"),
            "n_turns": Source("n_turns", "Answers in the conversation.", table="samples"),
        }
    ),
    "attention_trajectories": SignalAsset(
        {
            "trajectories": Source(
                "values",
                "Leading singular values of the cross-modal attention.",
                ("n_checkpoints", "n_values"),
                rows="has_image",
            )
        },
        made_from=_PROXY,
        reader="trajectories:AttentionSpectra.of",
        settings="trajectories",
        code_version="3",
    ),
    "clusters": SignalAsset(
        {
            "cluster_label": Source(
                "label",
                "k-means cluster of the trajectory; -1 in a row without image, or left out of the pass.",
                rows="has_image",
                absent=-1,
            ),
            "instability": Source("instability", "Sum of the trajectory's absolute steps.", rows="cluster_label"),
            "stability_rank": Source(
                "stability_rank", "Rank by instability inside the cluster, from 0.", rows="cluster_label", absent=-1
            ),
        },
        made_from=("attention_trajectories",),
    ),
    "attention_maps": SignalAsset(
        {
            "attention_maps": Source(
                "values",
                "Mean attention of the text to image positions, on a fixed grid or projected by a seed, at every "
                "checkpoint.",
                ("n_checkpoints", "n_dimensions"),
                rows="has_image",
            )
        },
        made_from=_PROXY,
        reader="attention_maps:AttentionMaps",
        settings="attention_maps",
    ),
    "block_activations": SignalAsset(
        {
            "block_activations": Source(
                "values",
                "tanh of the mean output of attention blocks at the last checkpoint: image part, then text part "
                "(core.activations.activation_features).",
                ("n_layers", "2", "width"),
            )
        },
        made_from=_PROXY,
        reader="activations:BlockActivations",
        settings="block_activations",
    ),
    "features": SignalAsset(
        {
            "pooled_features": Source(
                "pooled", "Mean over the row's tokens of the last hidden state, at the last checkpoint.", ("width",)
            )
        },
        made_from=_PROXY,
        reader="activations:PooledFeatures",
    ),
    "token_spectra": SignalAsset(
        {
            "informativeness": Source("entropy", "Entropy of the token features' singular values, nats."),
            "leading_share": Source("leading_share", "Largest singular value / sum of all, in (0, 1]."),
            "last_token_features": Source("last_token", "Hidden state of the last token.", ("width",)),
        },
        made_from=_PROXY,
        reader="activations:TokenSpectra",
    ),
    "attended_features": SignalAsset(
        {
            "attended_features": Source(
                "features",
                "Mean hidden state of the image tokens that the instruction attends to, at the last checkpoint.",
                ("width",),
                rows="has_image",
            )
        },
        made_from=_PROXY,
        reader="activations:AttendedFeatures",
        settings="attended_features",
    ),
    "answer_scores": SignalAsset(
        {
            "loss": Source("loss", "Mean loss of the answer tokens, nats."),
            "perplexity": Source("perplexity", "exp of the mean loss of the answer tokens."),
            "el2n": Source("el2n", "Mean over answer tokens of |softmax - one-hot|, in [0, sqrt 2]."),
            "aum": Source(
                "aum",
                "Mean over answer tokens of the right token's probability minus the largest other one, in [-1, 1].",
            ),
            "ifd": Source("ifd", "Loss of the answer given image and prompt / loss of the answer alone."),
        },
        made_from=_PROXY,
        reader="answer_scores:AnswerScores",
    ),
    "text_lengths": SignalAsset({"answer_length": Source("n_answer_tokens", "Answer tokens over all turns.")}),
    "warmup_checkpoints": SignalAsset(
        {
            "learning_rates": Source(
                "learning_rate",
                "Mean learning rate of the steps that led to each checkpoint, (n_checkpoints,).",
                per_row=False,
                table="checkpoints",
            )
        }
    ),
    "gradients": SignalAsset(
        {
            "gradients": Source("projected", "Projected LoRA gradient at the last checkpoint.", ("n_projected",)),
            "gradient_norm": Source("norm", "L2 norm of the LoRA gradient at the last checkpoint, before projection."),
        },
        made_from=("warmup_checkpoints",),
    ),
    "adam_gradients": SignalAsset(
        {
            "adam_gradients": Source(
                "projected",
                "Projected LoRA gradient, preconditioned as Adam would.",
                ("n_checkpoints", "n_projected"),
            )
        },
        made_from=("warmup_checkpoints",),
    ),
    "validation_gradients": SignalAsset(
        {
            "validation_gradients": Source(
                "projected",
                "Mean over a target task's validation rows of their projected LoRA gradients, each scaled to length 1, "
                "(n_checkpoints, n_projected) per target task.",
                per_row=False,
            )
        },
        made_from=("warmup_checkpoints", "validation_samples"),
        requirement="it is made from a validation set for each target task, apart from training rows and benchmarks, "
        "which you must provide",
    ),
    "clip_embeddings": SignalAsset(
        {
            "image_embedding": Source("image", "CLIP image embedding.", ("width",), rows="has_image"),
            "text_embedding": Source("text", "CLIP embedding of the conversation's text.", ("width",)),
            "clip_score": Source("score", "Cosine of image and text embedding.", rows="has_image"),
        }
    ),
    "difficulty_scores": SignalAsset(
        {"difficulty": Source("difficulty", "Minus the weight that the trained score net gives.")},
        made_from=("clip_embeddings",),
    ),
    "tags": SignalAsset(
        {"tags": Source("tags", "Tags of what the row asks for: a list of text per row.")},
        requirement="it is taken from a column of the dataset, or asked of a chat model (local, or behind an "
        "OpenAI-compatible endpoint), which you must name",
    ),
    "quality_indicators": SignalAsset(
        {
            "quality_indicators": Source(
                "values",
                "CLIP score, answer length and what else is configured (reward, judge).",
                ("n_indicators",),
                rows="has_image",
            ),
            "rated_indicators": Source(
                "indicators",
                "Mean quality indicators of the rated subsets, (n_indicators,) per subset.",
                per_row=False,
                table="rated_subsets",
            ),
        },
        made_from=("text_lengths", "clip_embeddings", "quality_ratings"),
    ),
    "quality_ratings": SignalAsset(
        {
            "ratings": Source(
                "rating",
                "Quality that each rated subset reached, larger is better, (n_subsets,).",
                per_row=False,
            )
        },
        requirement="it holds the scores that a judge or a benchmark gave to models trained on a few subsets, which "
        "you must provide",
    ),
}

SIGNALS: dict[str, Source] = {
    name: source._replace(asset=asset, table=source.table or asset)
    for asset, row in SIGNAL_ASSETS.items()
    for name, source in row.signals.items()
}

AVAILABLE_SIGNALS = "available_signals"
"""Name of the record, by dataset, of which of these assets there are; selections are made from it in Dagster."""

READ_IN_ONE_PASS = tuple(asset for asset, row in SIGNAL_ASSETS.items() if row.reader)
"""Assets that one pass over the data makes together, whichever of them are wanted."""


def describe(name: str) -> str:
    """What a signal is, with the shape of one row's value, as the end of a sentence."""
    source = SIGNALS[name]
    shape = f", ({', '.join(source.shape)}{',' * (len(source.shape) == 1)}) per row" if source.shape else ""
    return source.description.rstrip(".") + shape


def requirement_of(name: str) -> str:
    """What a person must give before a signal can be made, as the end of a sentence; "" for nothing."""
    return SIGNAL_ASSETS[SIGNALS[name].asset].requirement


def stages_behind(signals: Iterable[str]) -> set[str]:
    """The assets that make these signals, and all that they are made from, besides raw_dataset and base_model."""
    found: set[str] = set()
    waiting = {SIGNALS[name].asset for name in signals}
    while waiting:
        found |= waiting
        before = (SIGNAL_ASSETS[asset].made_from for asset in waiting if asset in SIGNAL_ASSETS)
        waiting = {asset for assets in before for asset in assets} - found
    return found - {"raw_dataset"}
