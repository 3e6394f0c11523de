"""A training as a thing: all that it is made from, which can be sent to processes that do it together."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.settings import BaseModelSettings, TrainingSettings
from xmas_assets.contracts.workers import Ranks
from xmas_assets.files.model_content import model_digest
from xmas_assets.training.objective import Objective
from xmas_assets.vlm.image_inputs import OpenImage
from xmas_assets.vlm.loading import Vlm

SaveBeside = Callable[[Path, Any, range], None]
# Of the base's settings, those that decide a run's weights; its files are known by their content.
_OF_RUNS = {"dtype", "device", "max_tokens", "attention", "quantization"}


@dataclass(frozen=True)
class TrainingJob:
    """What ``fine_tune`` is given, but for whom it tells of its progress.

    Attributes:
        base_digest: Content of the base.
        ordered: The samples by ``sample_id``.
        identity: Of all that decides the weights, as ``identify`` gives it.
    """

    base: Path | Vlm
    base_digest: str
    base_settings: BaseModelSettings
    ordered: Sequence[Sample]
    open_image: OpenImage
    settings: TrainingSettings
    seed: int
    output: Path
    save_beside: SaveBeside | None
    objective: Objective | None
    feature_folder: Path | None
    ranks: Ranks
    identity: str

    @property
    def is_split(self) -> bool:
        """Whether ranks share the weights out: where all are trained, and nothing beside them is kept."""
        is_whole_model = self.settings.lora is None and self.save_beside is None
        return self.ranks.n > 1 and self.ranks.sharding == "fsdp" and is_whole_model


def digest_of_base(base: Path | Vlm) -> str:
    """The base's content; of one in memory its name only."""
    return str(base.directory) if isinstance(base, Vlm) else model_digest(base)


def identify(
    base_digest: str,
    base_settings: BaseModelSettings,
    samples: Sequence[Sample],
    settings: TrainingSettings,
    seed: int,
    objective: Objective | None,
    ranks: Ranks,
) -> str:
    """Hex SHA-256 of all that decides the weights (the resume interval does not)."""
    digest = hashlib.sha256()
    chosen = {
        "base": base_digest,
        "base_settings": {name: value for name, value in base_settings.effective_values().items() if name in _OF_RUNS},
        "settings": {name: value for name, value in settings.effective_values().items() if name != "resume_steps"},
        "seed": seed,
    }
    if objective is not None:
        chosen["objective"] = objective.identity
    if ranks.identity:
        chosen["ranks"] = ranks.identity
    digest.update(json.dumps(chosen, sort_keys=True).encode())
    for sample in samples:
        weights = [sample.loss_weights] if sample.loss_weights else []
        digest.update(json.dumps([sample.sample_id, sample.turns, sample.image_hashes, *weights]).encode())
    return digest.hexdigest()
