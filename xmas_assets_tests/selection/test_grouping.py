import numpy as np
import pytest

from xmas_assets.contracts.artifacts import ScalarTrajectories
from xmas_assets.contracts.errors import SelectionError
from xmas_assets.contracts.settings import ClusterSettings
from xmas_assets.selection.grouping import drift, group_trajectories

# Two groups, around 0 and 100; row 3 has no trajectory. Steps by row: 1, 1, 2, -, 0, 1.
IDS = np.array(["e", "b", "a", "d", "c", "f"], dtype=object)
SUMS = np.array([[0, 1], [1, 0], [100, 102], [np.nan, np.nan], [101, 101], [1, 2]], dtype=np.float32)


def group(rows=slice(None), **settings):
    trajectories = ScalarTrajectories(IDS[rows], SUMS[rows], (1, 2))
    return group_trajectories(trajectories, ClusterSettings(**settings))


def test_rows_come_back_in_their_order_with_label_instability_and_rank():
    """In the first cluster all move by 1, so the ids decide: b, e, f. In the second c stands still, a moves by 2."""
    tables = group(n_clusters=2)
    clusters = tables["clusters"]
    assert clusters["row"].to_list() == [0, 1, 2, 3, 4, 5]
    assert clusters["sample_id"].to_list() == IDS.tolist()
    assert clusters["label"].to_list() == [0, 0, 1, -1, 1, 0]
    np.testing.assert_array_equal(clusters["instability"].to_numpy(), [1, 1, 2, np.nan, 0, 1])
    assert clusters["stability_rank"].to_list() == [1, 0, 1, -1, 0, 2]
    assert tables["centroids"]["n_rows"].to_list() == [3, 2]
    np.testing.assert_allclose(tables["centroids"]["centroid"].to_numpy(), [[2 / 3, 1], [100.5, 101.5]], rtol=1e-6)


def test_the_order_of_the_rows_does_not_matter():
    rows = np.array([4, 2, 0, 5, 3, 1])
    plain, shuffled = group(n_clusters=2), group(rows, n_clusters=2)
    columns = ["label", "instability", "stability_rank"]
    assert shuffled["clusters"][columns].equals(plain["clusters"][columns][rows], null_equal=True)
    assert shuffled["centroids"].equals(plain["centroids"])


def test_the_number_of_clusters_has_a_default():
    """round(sqrt(1.5 * 5 rows with an image)) = 3."""
    assert len(group()["centroids"]) == 3


def test_without_a_trajectory_there_is_nothing_to_cluster():
    with pytest.raises(SelectionError, match="all 1 rows are text-only or left out"):
        group([3])


def test_an_id_that_stands_twice_is_refused():
    with pytest.raises(SelectionError, match="'a' names more than one row"):
        group([2, 2, 0])


def test_later_rows_go_to_the_nearest_cluster_of_the_first_and_their_drift_is_said():
    """The first rows are e, b, a: centroids (0.5, 0.5) and (100, 102); c is nearer to the second, f to the first.

    Mean squared distances are 1/3 of the first (0.5, 0.5, 0) and 2.25 of the later rows (2, 2.5); clusters hold 2/3
    and 1/3 of the first rows, and half of the later ones each.
    """
    trajectories = ScalarTrajectories(IDS, SUMS, (1, 2))
    tables = group_trajectories(trajectories, ClusterSettings(n_clusters=2, when_grown="assign"), n_first=3)
    labels, centroids = tables["clusters"]["label"].to_numpy(), tables["centroids"]["centroid"].to_numpy()
    assert labels.tolist() == [0, 0, 1, -1, 1, 0]
    assert centroids.tolist() == [[0.5, 0.5], [100, 102]]
    found = list(drift(trajectories, labels, centroids, n_first=3).values())
    assert found == pytest.approx([2, 6.75, 1 / 6])
    refitted = group_trajectories(trajectories, ClusterSettings(n_clusters=2), n_first=3)
    assert refitted["clusters"].equals(group(n_clusters=2)["clusters"], null_equal=True)
