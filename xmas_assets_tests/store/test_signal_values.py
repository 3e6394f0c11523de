import numpy as np

from xmas_assets.store.signal_values import row_norms, signal_columns
from xmas_assets_tests.store.signal_tables import NAN, write_signal


def test_the_norms_are_those_of_the_lists_and_nan_without_a_value(tmp_path):
    """(3, 4) has length 5."""
    table = write_signal(tmp_path, [1.0, 2.0, 3.0], [[3, 4], [NAN, NAN], [0, 2]])
    assert signal_columns(table) == ["score", "vector"]
    np.testing.assert_array_equal(row_norms(table, "vector"), [5, NAN, 2])
    np.testing.assert_array_equal(row_norms(table, "score"), [1, 2, 3])
