"""Adam's step for one more gradient, on arrays of any library."""

from typing import Any


def adam_direction(
    gradients: Any, first_moments: Any, second_moments: Any, *, step: int, betas: tuple[float, float], epsilon: float
) -> Any:
    """Direction in which Adam would move the weights if its next gradient were this one.

    Args:
        gradients: Shape (..., n_weights), float.
        first_moments: Adam's running mean of the gradients, not corrected for its start at 0, shape (n_weights,).
        second_moments: Its running mean of their squares, likewise.
        step: Steps that Adam has taken so far, >= 0.
        betas: Shares of the two running means that a step keeps, each in [0, 1).
        epsilon: Added to the root, so that nothing is divided by 0.

    Returns:
        Shape (..., n_weights): the step taken, divided by minus the learning rate.

    Source:
        LESS (arXiv 2402.04333), section 2, and Adam (arXiv 1412.6980), algorithm 1. LESS writes ``1 - beta^t`` for the
        corrections; here the exponent counts the step to come, as Adam does. The published code of LESS leaves the
        corrections out and puts ``epsilon`` inside the root.

    Example:
        >>> import numpy as np
        >>> gradients, zeros = np.array([[3.0, -2.0]]), np.zeros(2)
        >>> adam_direction(gradients, zeros, zeros, step=0, betas=(0.9, 0.99), epsilon=0.0).round(6).tolist()
        [[1.0, -1.0]]
    """
    first = betas[0] * first_moments + (1 - betas[0]) * gradients
    second = betas[1] * second_moments + (1 - betas[1]) * gradients**2
    corrected = first / (1 - betas[0] ** (step + 1))
    return corrected / ((second / (1 - betas[1] ** (step + 1))) ** 0.5 + epsilon)
