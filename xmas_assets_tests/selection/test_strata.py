import numpy as np
import pytest

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.selection.signal_arrays import OrderedSignals
from xmas_assets.selection.strata import strata_of


def ordered(labels):
    return OrderedSignals({"cluster_label": np.array(labels)}, np.arange(len(labels)))


def test_rows_without_a_cluster_are_the_stratum_after_the_last_cluster():
    strata, sizes = strata_of(ordered([0, -1, 2, 0]))
    assert strata.tolist() == [0, 3, 2, 0]
    assert sizes.tolist() == [2, 0, 1, 1]


def test_without_text_only_rows_their_stratum_is_empty():
    assert strata_of(ordered([0, 0]))[1].tolist() == [2, 0]


def test_a_dataset_without_a_trajectory_is_refused():
    with pytest.raises(SelectionError, match="all 2 rows are text-only or left out"):
        strata_of(ordered([-1, -1]))
