"""Scores and features of one sample from what a model predicts of its tokens."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xmas_assets.core.arrays import FloatArray


def el2n(logits: NDArray[Any], labels: NDArray[np.integer]) -> float:
    """Mean over tokens of the Euclidean length of ``softmax - one-hot``, in [0, sqrt 2]; 0 without tokens.

    Args:
        logits: At the positions that predict the labelled tokens, shape (n_tokens, n_words).
        labels: The tokens, shape (n_tokens,).

    Source:
        Paul et al. 2021 (arXiv 2107.07075), per token as in the published code of COINCIDE, ``score_el2n.py``.

    Example:
        >>> round(el2n(np.array([[0.0, 0.0], [50.0, 0.0]]), np.array([1, 0])), 6)
        0.353553
    """
    if len(labels) == 0:
        return 0.0
    errors = _probabilities(logits)
    errors[np.arange(len(labels)), labels] -= 1
    return float(np.sqrt(np.square(errors).sum(axis=1)).mean())


def aum(logits: NDArray[Any], labels: NDArray[np.integer]) -> float:
    """Mean over tokens of the right token's probability minus the largest other one, in [-1, 1]; 0 without tokens.

    Args:
        logits: At the positions that predict the labelled tokens, shape (n_tokens, n_words), n_words >= 2.
        labels: The tokens, shape (n_tokens,).

    Source:
        Published code of COINCIDE, ``score_aum.py``: probabilities where Pleiss et al. 2020 take logits, and one
        checkpoint where they take the mean over training.

    Example:
        >>> aum(np.log(np.array([[0.2, 0.5, 0.3]])), np.array([2])).__round__(6)
        -0.2
    """
    if len(labels) == 0:
        return 0.0
    probabilities = _probabilities(logits)
    tokens = np.arange(len(labels))
    right = probabilities[tokens, labels]
    probabilities[tokens, labels] = -1
    return float((right - probabilities.max(axis=1)).mean())


def _probabilities(logits: NDArray[Any]) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    np.exp(shifted, out=shifted)
    shifted /= shifted.sum(axis=1, keepdims=True)
    return shifted


class Spectrum(NamedTuple):
    """Summary of the singular values of a sample's token features.

    Attributes:
        entropy: Of the values divided by their sum, nats: how many directions the tokens fill. Grows with length.
        leading_share: Largest value / sum of all, in (0, 1].
    """

    entropy: FloatArray
    leading_share: FloatArray


def spectrum_of(singular_values: NDArray[Any]) -> Spectrum:
    """Entropy and leading share of singular values, each of shape ``singular_values.shape[:-1]``.

    Args:
        singular_values: Shape (..., n_values), >= 0, each set with a positive one; zeros (padding, rank deficiency)
            add nothing.

    Source:
        DataTailor (arXiv 2412.06293), informativeness and tau; the published code stops with an error at a zero.

    Example:
        >>> spectrum_of(np.array([2.0, 2.0, 0.0])).leading_share.tolist()
        0.5
    """
    values = singular_values.astype(np.float64)
    shares = values / values.sum(axis=-1, keepdims=True)
    logarithms = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return Spectrum(-(shares * logarithms).sum(axis=-1), shares.max(axis=-1))
