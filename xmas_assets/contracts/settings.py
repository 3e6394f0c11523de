"""Every setting of the platform: name, default, bounds and unit. Values only; reading YAML is ``data/``'s work.

A stage's settings are hashed into its data version, so a changed value makes that stage and what follows stale,
and nothing before it. A profile is one ``Settings``; a dataset's registration may override single fields.
"""

import math
from collections.abc import Container, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, JsonValue, ValidationInfo, field_validator, model_validator

from xmas_assets.contracts.annotation import ClipSettings, QualitySettings, TagSettings
from xmas_assets.contracts.errors import SettingsError
from xmas_assets.contracts.section import EVERY_VALUE, LARGEST_SEED, LARGEST_TRAINING_SEED, MOST, MOST_THREADS, Section
from xmas_assets.contracts.signal_settings import GradientSettings, SignalSettings, TrajectorySettings
from xmas_assets.contracts.workers import WorkersSettings

TOY_MODEL = "toy:tiny"
FORMER_TOY_MODEL = "embedded:tiny"
_TOY_ANSWER_TOKENS = 16


class BaseModelSettings(Section):
    """Which vision-language model training starts from: the proxy's, or the targets'."""

    without_effect: ClassVar[Mapping[str, Container[object]]] = {
        "attention": ("auto",),
        "quantization": ("none",),
        "feature_cache_gb": EVERY_VALUE,
    }

    source: str = Field(default=TOY_MODEL, description=f"'{TOY_MODEL}', a model directory, or a hub id.")
    revision: str | None = Field(
        default=None, description="Commit hash; required for a hub id, so that reruns see the same bytes."
    )
    dtype: Literal["float32", "bfloat16"] = Field(
        default="float32", description="Weights' type while training and reading."
    )
    device: Literal["cpu", "cuda"] = Field(
        default="cpu", description="Where models run; 'cuda' is refused if there is none."
    )
    max_tokens: int = Field(
        default=2048, ge=16, le=MOST, description="Longest prompt with answer, tokens including image tokens."
    )
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2"] = Field(
        default="auto",
        description="How attention is computed; 'auto' leaves it to transformers, 'flash_attention_2' needs a GPU and "
        "the package flash_attn.",
    )
    quantization: Literal["none", "int8", "nf4"] = Field(
        default="none",
        description="Bits that the language model's linear layers are held in: 'nf4' in 4, 'int8' in 8 and for targets "
        "only; both need LoRA and the extra 'gpu'. dtype is the type that they compute in.",
    )
    feature_cache_gb: float = Field(
        default=20.0,
        ge=0,
        le=1e6,
        description="Disk, GB, that features of frozen vision towers may take, of all datasets of a home together, so "
        "that no run computes those of an image again; images beyond it are computed each time. 0 keeps none.",
    )

    def digest(self) -> str:
        """As of any section. The toy model counts under its former name, so that what older homes hold stays fresh."""
        former = self.model_copy(update={"source": FORMER_TOY_MODEL}) if self.source == TOY_MODEL else self
        return super(BaseModelSettings, former).digest()


class LoraSettings(Section):
    """Low-rank adapters on the language model's linear layers (peft)."""

    rank: int = Field(default=128, ge=1, le=MOST, description="Rank of the update.")
    alpha: int = Field(
        default=256, ge=1, le=MOST, description="Scale numerator; the update is multiplied by alpha / rank."
    )
    dropout: float = Field(default=0.05, ge=0, lt=1, description="Dropout on the adapter's input.")


class TrainingSettings(Section):
    """One fine-tuning run; the vision tower is always frozen, the connector always trained."""

    without_effect: ClassVar[Mapping[str, Container[object]]] = {
        "gradient_checkpointing": (False, True),
        "group_by_length": (False,),
        "optimizer": ("adamw",),
    }

    lora: LoraSettings | None = Field(
        default=None, description="Adapters instead of full fine-tuning of the language model."
    )
    epochs: float = Field(default=1.0, gt=0, le=1e6, description="Passes over the rows.")
    n_steps: int | None = Field(
        default=None,
        ge=1,
        le=MOST,
        description="Optimiser steps in place of epochs: as many for a small subset as for a large.",
    )
    batch_size: int = Field(
        default=32, ge=1, le=MOST, description="Rows per optimiser step (the last step of an epoch may have fewer)."
    )
    micro_batch_size: Annotated[int, Field(ge=1, le=MOST)] | Literal["auto"] = Field(
        default=32,
        description="Rows per forward pass; gradients add up to a batch. 'auto' tries batch_size, then half of it, and "
        "so on, until the memory holds the longest rows; a run that is resumed goes on with what it found.",
    )
    learning_rate: float = Field(default=1e-3, gt=0, le=1e3, description="Peak learning rate of AdamW.")
    optimizer: Literal["adamw", "adamw_8bit", "paged_adamw_8bit"] = Field(
        default="adamw",
        description="'adamw' keeps 8 bytes per trained weight, 'adamw_8bit' 2, and a paged one moves them to the main "
        "memory where the GPU's is short; the last two need the extra 'gpu'.",
    )
    schedule: Literal["cosine", "linear", "constant"] = Field(
        default="cosine", description="Learning-rate decay after warm-up."
    )
    warmup_fraction: float = Field(default=0.03, ge=0, lt=1, description="Share of the steps spent warming up.")
    weight_decay: float = Field(default=0.0, ge=0, le=1e3, description="AdamW weight decay.")
    max_grad_norm: float = Field(
        default=1.0, ge=0, le=1e12, description="Gradient norm is clipped to this; 0 clips nothing."
    )
    n_checkpoints: int = Field(
        default=1, ge=1, le=10_000, description="Checkpoints kept, evenly spaced in steps, the last one at the end."
    )
    resume_steps: int = Field(
        default=200, ge=1, le=MOST, description="Steps between resumable states, so that a kill loses no more."
    )
    threads: int = Field(
        default=1, ge=1, le=MOST_THREADS, description="CPU threads; part of the settings because sums depend on it."
    )
    gradient_checkpointing: bool = Field(
        default=False,
        description="Keep a layer's input only and run the layer again for its gradients: much less memory for a third "
        "more time, and the same weights.",
    )
    group_by_length: bool = Field(
        default=False,
        description="Put rows of like length into a micro batch, and these in random order: less padding.",
    )

    @field_validator("max_grad_norm", mode="before")
    @classmethod
    def _name_what_clips_nothing(cls, value: object) -> object:
        if value == math.inf:
            raise ValueError("must be finite; write 0 to clip nothing")
        return value


def require_adapters(base: BaseModelSettings, training: TrainingSettings, *, names: tuple[str, str]) -> None:
    """Refuse to train all weights of a quantised base: they have no steps as small as training takes.

    Args:
        base: Its settings.
        training: Of a training that starts from it.
        names: Of the two sections, for the message.

    Raises:
        SettingsError: If the base is quantised and the training is without LoRA.
    """
    if base.quantization != "none" and training.lora is None:
        raise SettingsError(
            f"{names[0]}.quantization is {base.quantization!r}, and {names[1]}.lora is null; quantised weights are "
            f"trained with adapters only: set {names[1]}.lora, or {names[0]}.quantization to 'none'"
        )


class ProxySettings(TrainingSettings):
    """The small model whose training is watched (XMAS: one epoch over everything, several checkpoints)."""

    n_checkpoints: int = Field(
        default=7, ge=2, le=10_000, description="Checkpoints kept, evenly spaced in steps, the last one at the end."
    )
    seed: int = Field(default=0, ge=0, le=LARGEST_TRAINING_SEED, description="Seed of the proxy's data order.")


class DifficultySettings(TrainingSettings):
    """How a score net is trained together with the model (METHODS: Self-Filter)."""

    batch_size: int = Field(default=32, ge=2, le=MOST, description="Rows per optimiser step.")
    # A number, since the scores depend on it.
    micro_batch_size: int = Field(  # pyright: ignore[reportIncompatibleVariableOverride] frozen
        default=8, ge=2, le=MOST, description="Rows per forward pass, over which the score net's outputs are a softmax."
    )
    seed: int = Field(default=0, ge=0, le=LARGEST_TRAINING_SEED, description="Seed of the training's data order.")


class WarmupSettings(TrainingSettings):
    """The short training on a few rows whose checkpoints gradients are read at (LESS, section 4.1)."""

    # Gradients are read of these weights, and with this optimiser's state, so there is no doing without them.
    lora: LoraSettings = LoraSettings()  # pyright: ignore[reportIncompatibleVariableOverride] frozen
    optimizer: Literal["adamw"] = "adamw"  # pyright: ignore[reportIncompatibleVariableOverride] frozen
    epochs: float = Field(default=4.0, gt=0, le=1e6, description="Passes over the rows; 4 as in the paper.")
    n_checkpoints: int = Field(
        default=4,
        ge=1,
        le=10_000,
        description="Checkpoints kept, evenly spaced in steps; 4, one an epoch, as in the paper.",
    )
    share: float = Field(
        default=0.05, gt=0, le=1, description="Share of the dataset's rows, drawn at random; 0.05 as in the paper."
    )
    seed: int = Field(
        default=0, ge=0, le=LARGEST_TRAINING_SEED, description="Seed of the draw, and of the training's data order."
    )


class ClusterSettings(Section):
    """k-means over trajectories (METHODS: XMAS 3)."""

    without_effect: ClassVar[Mapping[str, Container[object]]] = {"when_grown": ("refit",)}

    n_clusters: int | None = Field(
        default=None,
        ge=1,
        le=MOST,
        description="K; default round(sqrt(1.5 N)), which is the paper's 1000 at its N = 665k.",
    )
    max_iterations: int = Field(default=100, ge=1, le=MOST, description="Lloyd iterations at most.")
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED, description="Seed of the initial centroids.")
    when_grown: Literal["refit", "assign"] = Field(
        default="refit",
        description="Of a dataset that grew: 'refit' clusters all rows anew; 'assign' keeps the clusters of the first "
        "rows, and puts each later row into the nearest.",
    )


class BenchmarkSettings(Section):
    """How a target model is asked."""

    max_new_tokens: int | None = Field(
        default=None,
        ge=1,
        le=MOST,
        description="Longest answer to the dataset's own test questions, tokens; decoding is greedy. null: as many as "
        "the longest right answer has with its end token, within 16..1024 (16 for the toy dataset).",
    )
    batch_size: int = Field(default=256, ge=1, le=MOST, description="Questions per forward pass.")
    max_questions: int | None = Field(
        default=None, ge=1, le=MOST, description="Ask a seeded sample of this many; default all."
    )
    threads: int = Field(default=1, ge=1, le=MOST_THREADS, description="CPU threads.")


class MethodsSettings(Section):
    """How methods choose: hyperparameters that differ from their defaults (``xmas methods`` lists them), and growth."""

    without_effect: ClassVar[Mapping[str, Container[object]]] = {"when_grown": ("redo",)}

    parameters: dict[str, dict[str, JsonValue]] = Field(
        default_factory=dict, description="Method name to parameter to value, such as {xmas: {variant: reference}}."
    )
    when_grown: Literal["redo", "keep"] = Field(
        default="redo",
        description="Of a dataset that grew: 'redo' chooses from all rows anew; 'keep' keeps the rows chosen before, "
        "and adds the budget's share of those that came.",
    )


class Settings(Section):
    """A profile: the settings of all stages.

    ``base_model`` is what the proxy and everything that reads the data start from; ``target_base`` what targets start
    from. Fields of it that are left out, or all, are those of ``base_model``, but for the revision of another source.
    """

    base_model: BaseModelSettings = BaseModelSettings()
    target_base: BaseModelSettings = Field(default={}, validate_default=True)  # pyright: ignore[reportArgumentType]
    proxy: ProxySettings = ProxySettings()
    trajectories: TrajectorySettings = TrajectorySettings()
    signals: SignalSettings = SignalSettings()
    clusters: ClusterSettings = ClusterSettings()
    warmup: WarmupSettings = WarmupSettings()
    gradients: GradientSettings = GradientSettings()
    clip: ClipSettings = ClipSettings()
    difficulty: DifficultySettings = DifficultySettings()
    tags: TagSettings = TagSettings()
    quality: QualitySettings = QualitySettings()
    methods: MethodsSettings = MethodsSettings()
    target: TrainingSettings = TrainingSettings()
    benchmark: BenchmarkSettings = BenchmarkSettings()
    workers: WorkersSettings = WorkersSettings()

    def sections(self) -> dict[str, Section]:
        """The sections by name that decide results: ``workers`` is none of them.

        Those of single signals are sections of their own, so that only one becomes stale.
        """
        sections = dict(self)
        del sections["workers"]
        return sections | dict(sections.pop("signals"))

    def of_toy(self) -> Self:
        """These settings for a toy dataset, whose answers end after 16 tokens unless another length is set.

        So they did before their length followed the right answers, and what toy homes hold stays fresh.
        """
        longest = self.benchmark.max_new_tokens or _TOY_ANSWER_TOKENS
        return self.model_copy(update={"benchmark": self.benchmark.model_copy(update={"max_new_tokens": longest})})

    @model_validator(mode="after")
    def _quantised_bases_can_be_used(self) -> Self:
        if self.base_model.quantization == "int8":
            raise SettingsError(
                "base_model.quantization is 'int8', with which a row's signals would depend on its batch mates; use "
                "'nf4', and 'int8' for target_base only"
            )
        require_adapters(self.base_model, self.proxy, names=("base_model", "proxy"))
        require_adapters(self.target_base, self.target, names=("target_base", "target"))
        return self

    @field_validator("target_base", mode="before")
    @classmethod
    def _follows_base_model(cls, own: Any, info: ValidationInfo) -> Any:
        base = info.data.get("base_model")
        if base is None or not isinstance(own, Mapping):  # base_model is wrong and reported, or this is whole
            return own
        shared = base.model_dump()
        if own.get("source", base.source) != base.source:
            del shared["revision"]
        return shared | dict(own)
