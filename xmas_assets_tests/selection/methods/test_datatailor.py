import numpy as np
import pytest

from xmas_assets.selection.methods.datatailor import DataTailor


def signals_of(features, **changes):
    """Rows of one task, one turn, equal informativeness, unless changed."""
    features = np.array(features, dtype=np.float32).reshape(len(features), -1)
    n_rows = len(features)
    signals = {
        "sample_ids": np.array([f"{row:03d}" for row in range(n_rows)]),
        "task": np.array([None] * n_rows, dtype=object),
        "n_turns": np.ones(n_rows, dtype=np.int32),
        "informativeness": np.ones(n_rows),
        "leading_share": np.full(n_rows, 0.5),
        "last_token_features": features,
    }
    return signals | {name: np.array(values) for name, values in changes.items()}


def test_the_value_is_the_mean_of_ranks_with_informativeness_weighted_by_the_turns():
    """Rows at 0, 1, 2 on a line and one at 100: Ward cuts at a tenth of the top, so {0, 1, 2} and {100}.
    Informativeness .1, .2, .3, .4: ranks 0, 1/4, 2/4, 3/4.
    Uniqueness: distances sum to 8, 8/3 a row; row 0: (.2 + 2 x .3) / (8/3) = .3; row 1: (.1 + .3) 3/8 = .15;
    row 2: (2 x .1 + .2) 3/8 = .15; row 3, alone: its informativeness .4. Rows 1 and 2 are equal: ranks 2/4, 0, 0, 3/4.
    Centroids 1 and 100 have cosine 1, so representativeness ranks as informativeness does: 0, 1/4, 2/4, 3/4.
    One turn: thirds of .5, .5, 1, 2.25; three turns for row 1: (3/4 + 0 + 1/4) / 5 = .2 instead of 1/6.
    """
    signals = signals_of([0, 1, 2, 100], informativeness=[0.1, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(DataTailor().prepare(signals)["scores"], [0.5 / 3, 0.5 / 3, 1 / 3, 0.75])
    signals["n_turns"] = np.array([1, 3, 1, 1])
    np.testing.assert_allclose(DataTailor().prepare(signals)["scores"], [0.5 / 3, 0.2, 1 / 3, 0.75])


def test_tasks_share_the_budget_by_size_and_squared_leading_share():
    """Two tasks of 6 rows, leading shares .5 and 1: weights 6 x .25 and 6 x 1, so of 5 rows 1 and 4."""
    shares = [0.5] * 6 + [1.0] * 6
    tasks = np.array(["a"] * 6 + ["b"] * 6, dtype=object)
    rows = DataTailor().select(signals_of(np.arange(12), task=tasks, leading_share=shares), 5, 0)
    assert (rows < 6).sum() == 1


def test_a_task_smaller_than_its_share_leaves_the_rest_to_the_others():
    """Weights 2 and 8 x .01: task a is full with 2 rows, b takes the other 5."""
    tasks = np.array(["a"] * 2 + ["b"] * 8, dtype=object)
    signals = signals_of(np.arange(10), task=tasks, leading_share=[1.0] * 2 + [0.1] * 8)
    for variant in ("default", "reference"):
        rows = DataTailor(variant=variant).select(signals, 7, 0)
        assert (rows < 2).sum() == 2


def test_near_copies_are_less_unique_than_a_row_apart():
    """The paper's claim: of a cluster's rows, equally informative, those in a crowd are the redundant ones."""
    crowd = np.random.default_rng(0).normal(scale=0.1, size=(20, 3))
    features = np.vstack([crowd, [[2.0, 0, 0]], [[500.0, 500, 500]]])
    rows = DataTailor().select(signals_of(features), 2, 0)
    assert 20 in rows


@pytest.mark.parametrize("variant", ["default", "reference"])
def test_one_cluster_in_a_task_is_no_error(variant):
    """The published code divides by the number of other clusters, which is 0."""
    signals = signals_of(np.zeros(5), informativeness=[0.1, 0.5, 0.3, 0.2, 0.4])
    assert DataTailor(variant=variant).select(signals, 2, 0).tolist() == [1, 4]


def test_reference_ranks_a_lone_row_as_the_most_unique():
    """Informativeness .9 for the three together, .1 for the lone one: its uniqueness is .1 by default, NaN there."""
    signals = signals_of([0, 1, 2, 100], informativeness=[0.9, 0.9, 0.9, 0.1])
    assert DataTailor().prepare(signals)["scores"][3] == 0
    assert DataTailor(variant="reference").prepare(signals)["scores"][3] == pytest.approx(0.75 / 3)


def test_a_task_beyond_the_exact_rows_is_clustered_by_parts_with_the_same_outcome_for_clear_groups():
    rng = np.random.default_rng(2)
    features = np.repeat(rng.normal(size=(4, 3)) * 50, 30, axis=0) + rng.normal(size=(120, 3))
    signals = signals_of(features, informativeness=rng.random(120))
    exact, parts = DataTailor().prepare(signals), DataTailor(exact_rows=40).prepare(signals)
    np.testing.assert_allclose(exact["scores"], parts["scores"])
