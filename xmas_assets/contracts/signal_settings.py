"""Settings of how signals are read of a model: what is kept of its forward passes and of its gradients."""

from typing import Literal

from pydantic import Field

from xmas_assets.contracts.section import LARGEST_SEED, MOST, MOST_THREADS, Section


class GradientSettings(Section):
    """How gradients of single rows are read (METHODS: influence of gradients)."""

    n_projected: int = Field(
        default=8192, ge=1, le=MOST, description="Dimensions that gradients are projected to; 8192 as in LESS and TIVE."
    )
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED, description="Seed of the projection.")
    batch_size: int = Field(
        default=8, ge=1, le=MOST, description="Rows per backward pass; the result does not depend on it."
    )
    shard_size: int = Field(
        default=1024, ge=1, le=MOST, description="Rows per committed shard; the result does not depend on it."
    )
    threads: int = Field(
        default=1, ge=1, le=MOST_THREADS, description="CPU threads; part of the settings because sums depend on it."
    )


class TrajectorySettings(Section):
    """How cross-modal attention is read (METHODS: XMAS 2)."""

    definition: Literal["causal", "reference"] = Field(
        default="causal",
        description="'causal': the model's own attention probabilities; 'reference': the published code's arithmetic.",
    )
    n_values: int = Field(default=5, ge=1, le=64, description="Largest singular values kept (k in the paper).")
    batch_size: int = Field(
        default=64, ge=1, le=MOST, description="Rows per forward pass; the result does not depend on it."
    )
    shard_size: int = Field(
        default=4096, ge=1, le=MOST, description="Rows per committed shard; the result does not depend on it."
    )
    threads: int = Field(
        default=1, ge=1, le=MOST_THREADS, description="CPU threads; part of the settings because sums depend on it."
    )


class AttentionMapSettings(Section):
    """What is kept of where the text looks in an image (METHODS: beyond the paper)."""

    content: Literal["mean", "answer_mean", "right_vectors"] = Field(
        default="mean",
        description="'mean' over the text tokens, 'answer_mean' over answer tokens only, or leading 'right_vectors' of "
        "the attention matrix, each times its singular value.",
    )
    n_vectors: int = Field(default=1, ge=1, le=16, description="Right singular vectors kept; of 'right_vectors' only.")
    layers: Literal["sum", "each"] = Field(default="sum", description="One map for all layers, or one for each.")
    reduction: Literal["grid", "projection"] = Field(
        default="grid",
        description="'grid': means over the cells of a square grid, and a projection where the places of an image's "
        "tokens are not known; 'projection': always a random projection, drawn by the seed.",
    )
    grid_side: int = Field(default=8, ge=1, le=64, description="Cells on a side of the grid.")
    n_dimensions: int = Field(default=32, ge=1, le=1024, description="Dimensions of the projection.")
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED, description="Seed of the projection.")


class BlockActivationSettings(Section):
    """Which attention blocks are read (METHODS: COINCIDE)."""

    n_layers: int = Field(
        default=5, ge=1, le=64, description="Layers, evenly spaced; 5 are the paper's 4, 8, 12, 16, 20 of 24."
    )


class AttendedFeatureSettings(Section):
    """Which image tokens the instruction attends to (METHODS: ScalSelect)."""

    attention_share: float = Field(
        default=0.9, gt=0, lt=1, description="Share of the attention that they hold; 0.9 as in the paper."
    )


class SignalSettings(Section):
    """What the signals besides the trajectories keep of a model's forward pass."""

    attention_maps: AttentionMapSettings = AttentionMapSettings()
    block_activations: BlockActivationSettings = BlockActivationSettings()
    attended_features: AttendedFeatureSettings = AttendedFeatureSettings()
