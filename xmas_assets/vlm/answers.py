"""What a model says at the places of a batch's answer tokens, and nowhere else."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from xmas_assets.vlm.prompts import IGNORED_LABEL
from xmas_assets.vlm.token_spans import LOSS_WEIGHTS


def vocabulary_logits(model: Any, states: Tensor) -> Tensor:
    """The model's predictions of the next token from its last hidden states, float32; capped as the family does."""
    logits = model.get_output_embeddings()(states).float()
    cap = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
    return logits if cap is None else cap * (logits / cap).tanh()


class AnswerLogits(NamedTuple):
    """Predictions of the answer tokens of a batch, sample after sample.

    Attributes:
        values: Shape (n_answer_tokens, vocabulary), float32.
        targets: The true tokens, shape (n_answer_tokens,), int64.
        is_predicting: Positions that predict an answer token (one before it), shape (batch, n_tokens), bool.
        weights: By what each token's loss is multiplied, shape (n_answer_tokens,), float32; None where by 1.
    """

    values: Tensor
    targets: Tensor
    is_predicting: Tensor
    weights: Tensor | None

    def losses(self) -> Tensor:
        """Cross-entropy of each answer token, not multiplied by its weight, shape (n_answer_tokens,), nats."""
        return nn.functional.cross_entropy(self.values, self.targets, reduction="none")

    def shares(self) -> Tensor:
        """Share of each answer token in the mean of its row: weight over the row's sum, shape (n_answer_tokens,)."""
        counts = self.is_predicting
        if self.weights is not None:
            counts = torch.zeros(counts.shape, device=counts.device).masked_scatter(counts, self.weights)
        return (counts / counts.sum(1, keepdim=True))[self.is_predicting]


def answer_logits(model: Any, inputs: dict[str, Any]) -> AnswerLogits:
    """Run a batch, and the vocabulary layer on the positions before answer tokens only.

    Args:
        model: A causal language model of transformers.
        inputs: As from ``vlm.batches.collate``, on the model's device.
    """
    labels = nn.functional.pad(inputs["labels"][:, 1:], (0, 1), value=IGNORED_LABEL)
    features = {name: value for name, value in inputs.items() if name not in ("labels", LOSS_WEIGHTS)}
    hidden = model.base_model(**features, use_cache=False).last_hidden_state
    is_predicting = labels != IGNORED_LABEL
    logits = vocabulary_logits(model, hidden[is_predicting])
    weights = inputs.get(LOSS_WEIGHTS)
    if weights is not None:
        weights = nn.functional.pad(weights[:, 1:], (0, 1))[is_predicting].float()
    return AnswerLogits(logits, labels[is_predicting], is_predicting, weights)
