"""What a model says at the places of a batch's answer tokens, and nowhere else."""

from typing import Any, NamedTuple

from torch import Tensor, nn

from xmas_assets.vlm.prompts import IGNORED_LABEL


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
    """

    values: Tensor
    targets: Tensor
    is_predicting: Tensor


def answer_logits(model: Any, inputs: dict[str, Any]) -> AnswerLogits:
    """Run a batch, and the vocabulary layer on the positions before answer tokens only.

    Args:
        model: A causal language model of transformers.
        inputs: As from ``vlm.batches.collate``, on the model's device.
    """
    labels = nn.functional.pad(inputs["labels"][:, 1:], (0, 1), value=IGNORED_LABEL)
    features = {name: value for name, value in inputs.items() if name != "labels"}
    hidden = model.base_model(**features, use_cache=False).last_hidden_state
    is_predicting = labels != IGNORED_LABEL
    logits = vocabulary_logits(model, hidden[is_predicting])
    return AnswerLogits(logits, labels[is_predicting], is_predicting)
