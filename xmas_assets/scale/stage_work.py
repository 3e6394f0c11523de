"""How much work a stage is: units that its time is proportional to, and operations of models. Arithmetic only.

A multiplication and an addition count as two operations. Of a row of T tokens in a model whose language model has N
weights in linear layers, L layers and attention of width H:

- forward: 2 N T, and 2 L H T^2 for attention, in which half of all pairs see each other;
- training all weights: three times that; adapters: twice the linear layers, three times attention, and 6 A T for A
  weights of adapters; gradient checkpointing: once more forward;
- the vision side, forward once a pass: 2 V P for V weights and P patches.

Not counted: vocabulary layer, norms, optimiser, padding; nor what is saved where questions share an image.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from xmas_assets.contracts.calibration import DataSizes, Kind, ModelSizes
from xmas_assets.contracts.settings import Settings, TrainingSettings, WarmupSettings

QUESTIONS_PER_SHARD = 1024
"""Questions in a shard of answers, which one worker makes."""


@dataclass(frozen=True)
class StageWork:
    """What a stage has to do, once.

    Attributes:
        kind: Whether models run in it, and how.
        units: What its time is proportional to: rows, times passes or checkpoints; None is not known.
        operations: Of models; None is not known.
        most_cards: How many cards can share it: any number where it is made in shards, None; else as the settings say.
    """

    kind: Kind
    units: float | None
    operations: float | None = None
    most_cards: int | None = 1


@dataclass(frozen=True)
class Job:
    """What a dataset is and is to be done with it.

    Attributes:
        settings: Of all stages.
        n_rows: Rows of the dataset.
        n_questions: Test questions; None is not known.
        data: What a row is like; None is not known, and no operations then are.
        base_model: The model of proxy and signals; None is not known.
        target_base: The model of targets; None is not known.
    """

    settings: Settings
    n_rows: int
    n_questions: int | None = None
    data: DataSizes | None = None
    base_model: ModelSizes | None = None
    target_base: ModelSizes | None = None


EVERY_CHECKPOINT = ("attention_trajectories", "attention_maps")
"""Signals of the pass that are read at each of the proxy's checkpoints; the others at the last."""
_LAST_CHECKPOINT = ("block_activations", "features", "token_spectra", "attended_features", "answer_scores")
_ONCE = ("base_model", "target_base")
_BY_ROW = ("raw_dataset", "text_lengths", "clusters", "quality_indicators", "prepared", "selected_subset")


def stage_work(stage: str, job: Job, *, n_selected: float = 0) -> StageWork:
    """What a stage has to do of a dataset, or of one selection of ``n_selected`` rows.

    Args:
        stage: An asset; ``prepared:METHOD`` and ``selected_subset:METHOD`` of one method.
        job: The dataset, and what is done with it.
        n_selected: Rows of the selection.
    """
    stage = stage.partition(":")[0]
    if stage in _ONCE:
        return StageWork("host", 1, 0)
    if stage in _BY_ROW:
        return StageWork("host", job.n_rows, 0)
    if stage == "clip_embeddings":  # by a model of its own, whose operations are not counted
        return StageWork("reading", job.n_rows, most_cards=None)
    if stage in EVERY_CHECKPOINT or stage in _LAST_CHECKPOINT:
        n_passes = job.n_rows * (job.settings.proxy.n_checkpoints if stage in EVERY_CHECKPOINT else 1)
        return StageWork("reading", n_passes, _times(n_passes, forward(job.base_model, job.data)), most_cards=None)
    if stage in _TRAININGS:
        section, rows = _TRAININGS[stage]
        model = job.target_base if stage == "target_model" else job.base_model
        training: TrainingSettings = getattr(job.settings, section)
        seen = rows_seen(training, rows(job, n_selected))
        ranks = job.settings.workers.training_ranks
        return StageWork("training", seen, _times(seen, training_row(model, job.data, training)), most_cards=ranks)
    if stage in ("gradients", "adam_gradients"):
        n_passes = job.n_rows * (job.settings.warmup.n_checkpoints if stage == "adam_gradients" else 1)
        each = training_row(job.base_model, job.data, job.settings.warmup, checkpointing=False)
        return StageWork("training", n_passes, _times(n_passes, each), most_cards=None)
    if stage == "benchmark_scores":
        operations = _times(job.n_questions, answer(job.target_base, job.data))
        n_shards = None if job.n_questions is None else max(1, ceil(job.n_questions / QUESTIONS_PER_SHARD))
        return StageWork("answering", job.n_questions, operations, most_cards=n_shards)
    return StageWork("host", None)


def _warmed_up(job: Job, _n_selected: float) -> float:
    warmup: WarmupSettings = job.settings.warmup
    return warmup.share * job.n_rows


_TRAININGS: dict[str, tuple[str, Callable[[Job, float], float]]] = {
    "proxy_checkpoints": ("proxy", lambda job, _: job.n_rows),
    "warmup_checkpoints": ("warmup", _warmed_up),
    "difficulty_scores": ("difficulty", lambda job, _: job.n_rows),
    "target_model": ("target", lambda _, n_selected: n_selected),
}
"""Stages that train: their settings, and on how many rows."""


def rows_seen(training: TrainingSettings, n_rows: float) -> float:
    """Rows that a training goes through, counting each pass."""
    return training.epochs * n_rows if training.n_steps is None else training.n_steps * training.batch_size


def forward(model: ModelSizes | None, data: DataSizes | None) -> float | None:
    """Operations of one forward pass over a row."""
    if model is None or data is None:
        return None
    return _linear(model, data.tokens_per_row) + _attention(model, data.tokens_per_row) + _vision(model, data)


def training_row(
    model: ModelSizes | None, data: DataSizes | None, training: TrainingSettings, *, checkpointing: bool = True
) -> float | None:
    """Operations of a row's forward and backward pass; checkpointing counts where the settings have it, and here."""
    if model is None or data is None:
        return None
    n_tokens = data.tokens_per_row
    linear, attention = _linear(model, n_tokens), _attention(model, n_tokens)
    again = linear + attention if training.gradient_checkpointing and checkpointing else 0
    if training.lora is None:
        return 3 * (linear + attention) + again + _vision(model, data)
    adapters = 6 * training.lora.rank * model.adapter_sides * n_tokens
    return 2 * linear + 3 * attention + adapters + again + _vision(model, data)


def answer(model: ModelSizes | None, data: DataSizes | None) -> float | None:
    """Operations of reading a question and writing the answer to it."""
    if model is None or data is None or data.tokens_per_answer is None:
        return None
    n_tokens = data.tokens_per_row + data.tokens_per_answer
    return _linear(model, n_tokens) + _attention(model, n_tokens) + _vision(model, data)


def _linear(model: ModelSizes, n_tokens: float) -> float:
    return 2 * model.language_parameters * n_tokens


def _attention(model: ModelSizes, n_tokens: float) -> float:
    return 2 * model.n_layers * model.width * n_tokens**2


def _vision(model: ModelSizes, data: DataSizes) -> float:
    return 2 * model.vision_parameters * model.patches_per_token * data.image_tokens_per_row


def _times(count: float | None, each: float | None) -> float | None:
    return None if count is None or each is None else count * each
