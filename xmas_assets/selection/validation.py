"""Influence of every row on the target tasks of a validation set, as LESS and ICONS read it."""

import numpy as np
from numpy.typing import NDArray

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.contracts.remedies import how_to_make
from xmas_assets.core.influence import validation_influence
from xmas_assets.selection.signal_arrays import OrderedSignals

VALIDATION_SIGNALS = frozenset({"adam_gradients", "validation_gradients", "learning_rates"})


def task_influence(signals: OrderedSignals) -> NDArray[np.float64]:
    """Influence of each row on each target task, shape (n_samples, n_tasks).

    Args:
        signals: With ``VALIDATION_SIGNALS``.

    Raises:
        SelectionError: If training rows, validation set and learning rates are not of the same checkpoints and width.
    """
    validation, rates = signals["validation_gradients"], signals["learning_rates"]
    influences = []
    for gradients in signals.blocks("adam_gradients"):
        shape = gradients.shape[1:]
        if len(validation) == 0 or validation.shape[1:] != shape or rates.shape != shape[:1]:
            remedy = how_to_make("adam_gradients", "validation_gradients", method="less")
            raise SelectionError(
                f"gradients of the training rows have shape {shape} (checkpoints, width), those of "
                f"{len(validation)} target tasks {validation.shape[1:]}, and there are {len(rates)} learning rates; "
                f"they must be of the same checkpoints; {remedy}"
            )
        influences.append(validation_influence(gradients, validation, weights=rates))
    return np.concatenate(influences)
