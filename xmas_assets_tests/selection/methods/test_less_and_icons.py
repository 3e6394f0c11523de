"""The methods that choose by influence on a validation set."""

import numpy as np
import pytest

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.selection.methods.icons import Icons
from xmas_assets.selection.methods.less import Less


def signals_of(gradients, validation, rates=(1.0,)):
    """One checkpoint unless the arrays have an axis for it."""
    gradients, validation = np.array(gradients, dtype=float), np.array(validation, dtype=float)
    if gradients.ndim == 2:
        gradients, validation = gradients[:, None], validation[:, None]
    return {
        "sample_ids": np.array([f"{row:03d}" for row in range(len(gradients))]),
        "adam_gradients": gradients,
        "validation_gradients": validation,
        "learning_rates": np.array(rates),
    }


def test_less_keeps_the_rows_nearest_to_any_one_task_in_direction():
    """Tasks along x and y. Cosines of the rows with their better task: (9, 9) .71, (1, 0) 1, (-5, 0) 0, (0, .1) 1."""
    signals = signals_of([[9, 9], [1, 0], [-5, 0], [0, 0.1]], [[1, 0], [0, 1]])
    assert Less().select(signals, 2, 0).tolist() == [1, 3]
    assert Less().select(signals, 3, 0).tolist() == [0, 1, 3]


def test_icons_prefers_what_many_tasks_want_to_what_one_wants_most():
    """The paper's claim against LESS. Three tasks along the axes; each votes for 2 of 5 rows (40 %). Cosines: row 0 is
    .577 with all; rows 1 to 3 are 1 with one task each; row 4 is against all. Each task votes for its own row, then 0.
    """
    signals = signals_of([[1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, -1, -1]], np.eye(3))
    assert Icons(vote_share=0.4).select(signals, 1, 0).tolist() == [0]
    assert 0 not in Less().select(signals, 3, 0)


def test_equal_votes_go_to_the_better_mean_rank():
    """Two tasks, a vote each: for rows 0 and 2. Row 0 is first for one and last for the other, row 2 second, first."""
    signals = signals_of([[1, -0.5], [-0.3, 0.5], [0.4, 1]], [[1, 0], [0, 1]])
    assert Icons(vote_share=0.3).select(signals, 1, 0).tolist() == [2]


def test_checkpoints_count_by_their_learning_rate():
    """Row 0 agrees at the first checkpoint, row 1 at the second."""
    gradients, validation = [[[1, 0], [0, 1]], [[0, 1], [1, 0]]], [[[1, 0], [1, 0]]]
    assert Less().select(signals_of(gradients, validation, (2.0, 1.0)), 1, 0).tolist() == [0]
    assert Less().select(signals_of(gradients, validation, (1.0, 2.0)), 1, 0).tolist() == [1]


@pytest.mark.parametrize("method", [Less(), Icons()])
def test_a_missing_validation_set_is_refused_with_what_to_provide(method):
    signals = signals_of([[1, 0]], [[1, 0]])
    del signals["validation_gradients"]
    with pytest.raises(SelectionError, match="validation_gradients: it is made from a validation set for each target"):
        method.select(signals, 1, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rates": np.ones(2)},
        {"validation_gradients": np.ones((1, 1, 5))},
        {"validation_gradients": np.ones((0, 1, 2))},
    ],
)
def test_gradients_of_other_checkpoints_or_width_are_refused(change):
    with pytest.raises(SelectionError, match="of the same checkpoints; .* --method less$"):
        Less().select(signals_of([[1, 0], [0, 1]], [[1, 0]]) | change, 1, 0)
