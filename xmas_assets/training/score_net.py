"""How hard a model finds each row: a score net that is trained together with it and weighs its losses (Self-Filter)."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import nn

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.passes import check_score_passes
from xmas_assets.contracts.progress import ProgressCallback
from xmas_assets.contracts.remedies import how_to_make_again
from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.settings import BaseModelSettings, DifficultySettings
from xmas_assets.contracts.workers import Ranks
from xmas_assets.core.arrays import FloatArray
from xmas_assets.training.objective import Objective
from xmas_assets.training.trainer import ONE_PROCESS, fine_tune
from xmas_assets.vlm.answers import answer_logits
from xmas_assets.vlm.image_inputs import OpenImage
from xmas_assets.vlm.prompts import Encoded

_FILE = "score_net.safetensors"
_ROWS = "rows_of_features"


class ScoreNet(Objective):
    """Mean loss of a batch's rows, weighted by a softmax over one linear layer of their features.

    To lower it the net gives less weight to rows of larger loss than their batch mates, so that in the end a small
    score marks rows that the model finds hard. A row's loss is the mean over its answer tokens; the published code
    weights single tokens, by which a long answer counts as a hard one. The layer starts at zero, with equal weights,
    where the published one starts at random; neither has a bias, which a softmax would not notice.

    Source:
        Self-Filter (arXiv 2402.12501), section 3; published code ``self_filter_trainer.py``, setting "clip", whose
        softmax too is over a forward pass.
    """

    def __init__(self, sample_ids: Sequence[str], features: FloatArray, *, batch_size: int) -> None:
        """Take the features.

        Args:
            sample_ids: Of the rows, each once.
            features: Shape (n_samples, width), finite.
            batch_size: Rows of a whole optimiser step, of which a forward pass sees a share.

        Raises:
            ModelError: If a feature is not finite.
        """
        super().__init__()
        if not np.isfinite(features).all():
            raise ModelError(f"a feature of the score net is not finite; {how_to_make_again('clip_embeddings')}")
        self.linear = nn.Linear(features.shape[1], 1, bias=False)
        nn.init.zeros_(self.linear.weight)
        self._features = features.astype(np.float32, copy=False)
        self._places = {sample_id: place for place, sample_id in enumerate(sample_ids)}
        self._batch_size = batch_size
        digest = hashlib.sha256()
        for sample_id, place in sorted(self._places.items()):
            digest.update(sample_id.encode() + self._features[place].tobytes())
        self.identity = f"score net 1 {batch_size} {digest.hexdigest()}"

    def mark(self, rows: Sequence[Encoded]) -> dict[str, torch.Tensor]:
        """Give the rows' features."""
        return {_ROWS: torch.from_numpy(self._features[[self._places[row.sample_id] for row in rows]])}

    def forward(self, model: Any, inputs: dict[str, torch.Tensor], n_answer_tokens: torch.Tensor | int) -> torch.Tensor:
        """Weigh the rows' losses; equal weights would give their mean."""
        features = inputs[_ROWS]
        inner = model.get_base_model() if isinstance(model, PeftModel) else model
        losses = row_losses(inner, {name: values for name, values in inputs.items() if name != _ROWS})
        weights = self.linear(features).squeeze(1).softmax(0)
        return (weights * losses).sum() * (len(losses) / self._batch_size)


def row_losses(model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Mean loss of each row's answer tokens, in which each counts by its weight, shape (batch,), nats.

    Args:
        model: A causal language model of transformers.
        inputs: As from ``vlm.batches.collate``; each row has an answer token.
    """
    answers = answer_logits(model, inputs)
    losses, lengths = answers.losses(), answers.is_predicting.sum(1).tolist()
    if answers.weights is not None:
        return torch.stack([part.sum() for part in (losses * answers.shares()).split(lengths)])
    return torch.stack([part.mean() for part in losses.split(lengths)])


def score_difficulty(
    *,
    base: Path,
    base_settings: BaseModelSettings,
    samples: Sequence[Sample],
    open_image: OpenImage,
    features: FloatArray,
    settings: DifficultySettings,
    output: Path,
    progress: ProgressCallback | None = None,
    feature_folder: Path | None = None,
    ranks: Ranks = ONE_PROCESS,
) -> NDArray[np.float32]:
    """Train the score net together with the model, and score every row with it.

    It resumes and repeats as ``fine_tune`` does.

    Args:
        base: Directory of the model to start from.
        base_settings: Type of the weights, device, longest sample.
        samples: The dataset; those too long to be trained on are scored all the same.
        open_image: Gives the picture of a reference and content hash.
        features: Of the samples, shape (n_samples, width).
        settings: How to train.
        output: Directory of this run alone.
        progress: Called after each optimiser step.
        feature_folder: As for ``fine_tune``.
        ranks: As for ``fine_tune``.

    Returns:
        Minus each row's score, shape (n_samples,): larger is harder.

    Raises:
        ModelError: As ``fine_tune``, or if a feature is not finite.
        SettingsError: As ``fine_tune``.
    """
    check_score_passes(settings, ranks.n)
    ids = [sample.sample_id for sample in samples]
    checkpoints = fine_tune(
        base=base,
        base_settings=base_settings,
        samples=samples,
        open_image=open_image,
        settings=settings,
        seed=settings.seed,
        output=output,
        progress=progress,
        feature_folder=feature_folder,
        ranks=ranks,
        save_beside=_save_net,
        objective=ScoreNet(ids, features, batch_size=settings.batch_size),
    )
    weight = load_file(checkpoints[-1].path / _FILE)["weight"].numpy()[0]
    return -_scores(features, weight)


def score_features(image: FloatArray, text: FloatArray) -> NDArray[np.float32]:
    """Image and text embedding side by side, shape (n_samples, 2 * width); zeros where a row has no image (NaN)."""
    return np.hstack([np.nan_to_num(image, nan=0.0), text]).astype(np.float32)


def _scores(features: FloatArray, weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row's product with the weight, shape (n_samples,)."""
    # Row by row in float64: a matrix product could round a row differently among other neighbours.
    return np.fromiter((row.astype(np.float64) @ weight for row in features), np.float32, count=len(features))


def _save_net(directory: Path, trainer: Any, steps: range) -> None:
    save_file({"weight": trainer.model.objective.linear.weight.detach().cpu()}, directory / _FILE)
