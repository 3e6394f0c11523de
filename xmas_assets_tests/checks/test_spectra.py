"""What must hold of stored attention trajectories."""

import numpy as np
import pytest

from xmas_assets.checks.signals import check_spectra

NAN = np.nan
#: Two rows, two checkpoints, two singular values each; the second row has no trajectory.
SOUND = np.array([[[3.0, 1.0], [2.0, 2.0]], [[NAN, NAN], [NAN, NAN]]], dtype=np.float32)


def test_descending_values_and_rows_without_a_trajectory_pass():
    assert check_spectra(SOUND) == []


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ([3.0, -1.0], "singular values are negative or not descending"),
        ([1.0, 3.0], "singular values are negative or not descending"),
        ([0.0, 0.0], "1 rows with an image have no attention to it"),
    ],
)
def test_a_checkpoint_that_breaks_the_rule_is_told(values, problem):
    broken = SOUND.copy()
    broken[0, 1] = values
    assert check_spectra(broken) == [problem]
