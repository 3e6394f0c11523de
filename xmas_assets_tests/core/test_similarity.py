import numpy as np

from xmas_assets.core.similarity import unit_rows


def test_rows_get_length_one_and_zero_rows_stay_zero():
    """3-4-5: 3/5 and 4/5."""
    assert unit_rows(np.array([[3.0, -4.0], [0.0, 0.0]])).tolist() == [[0.6, -0.8], [0.0, 0.0]]


def test_half_precision_is_raised_so_that_lengths_do_not_overflow():
    """300^2 + 400^2 is beyond float16's 65504."""
    units = unit_rows(np.array([[300.0, 400.0]], dtype=np.float16))
    assert units.dtype == np.float32
    np.testing.assert_allclose(units, [[0.6, 0.8]], rtol=1e-6)
