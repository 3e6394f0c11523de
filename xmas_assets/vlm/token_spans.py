"""Which tokens of a text stand for some of its characters, and how much each token of an answer counts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LOSS_WEIGHTS = "loss_weights"
"""Name in a batch of what the tokens' losses are multiplied by; left out where that is 1 for all labels."""
Span = tuple[int, int]
"""First character, and the one behind the last."""


def is_inside(offsets: NDArray[np.int64], spans: Sequence[Span]) -> NDArray[np.bool_]:
    """Tell which tokens have a character in one of the spans, shape (n_tokens,)."""
    inside = np.zeros(len(offsets), dtype=bool)
    for start, stop in spans:
        inside |= (offsets[:, 1] > start) & (offsets[:, 0] < stop)
    return inside


def token_weights(
    offsets: NDArray[np.int64], answers: Sequence[Span], loss_weights: Sequence[float]
) -> NDArray[np.float32]:
    """By what the loss of each token is multiplied, shape (n_tokens,): 0 outside of answers.

    Args:
        offsets: Characters that each token stands for, shape (n_tokens, 2).
        answers: Characters of the first assistant turns, or of all of them.
        loss_weights: Of each assistant turn; empty where all are 1.
    """
    weights = np.zeros(len(offsets), dtype=np.float32)
    for number, answer in enumerate(answers):
        weights[is_inside(offsets, [answer])] = loss_weights[number] if loss_weights else 1
    return weights
