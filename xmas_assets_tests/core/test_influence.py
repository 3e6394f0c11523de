import numpy as np

from xmas_assets.core.influence import descending_ranks, mean_cosines, mean_directions, validation_influence


def test_the_mean_cosine_is_that_over_all_pairs_of_the_group():
    rng = np.random.default_rng(0)
    vectors, groups = rng.normal(size=(30, 6)), rng.integers(0, 3, 30)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    same = groups[:, None] == groups
    pairs = ((units @ units.T) * same).sum(axis=1) / same.sum(axis=1)
    for n_blocks in (1, 4):
        blocks = np.array_split(vectors, n_blocks)
        np.testing.assert_allclose(mean_cosines(lambda blocks=blocks: blocks, groups), pairs, rtol=1e-12)


def test_half_precision_vectors_are_added_in_single_precision():
    """Squares of 300 do not fit into float16: 300^2 = 90,000 > 65,504."""
    vectors = np.array([[300, 0], [300, 300]], dtype=np.float16)
    expected = [(1 + np.sqrt(0.5)) / 2] * 2
    np.testing.assert_allclose(mean_cosines(lambda: [vectors], np.array([0, 0])), expected, rtol=1e-6)


def test_a_zero_gradient_has_no_influence_and_is_not_nan():
    assert mean_cosines(lambda: [np.array([[0.0, 0.0], [0.0, 2.0]])], np.array([0, 0])).tolist() == [0.0, 0.5]


def test_influence_adds_up_checkpoints_by_learning_rate():
    """Row (3, 4) at the first checkpoint: cosine .6 with (1, 0); at the second (0, 2): cosine 1 with (0, 1).
    Rates .5 and .25: .5 x .6 + .25 x 1 = .55. For the second task, (0, 1) and (1, 0): .5 x .8 + 0 = .4.
    """
    gradients = np.array([[[3.0, 4.0], [0.0, 2.0]]])
    validation = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]])
    influence = validation_influence(gradients, validation, weights=np.array([0.5, 0.25]))
    np.testing.assert_allclose(influence, [[0.55, 0.4]])


def test_equal_values_rank_in_the_order_of_the_rows():
    assert descending_ranks(np.array([[1.0], [2.0], [1.0]])).ravel().tolist() == [1, 0, 2]


def test_a_mean_direction_counts_every_row_alike_however_long_it_is():
    """(3, 4) and (8, -6) are (.6, .8) and (.8, -.6): mean (.7, .1). A second checkpoint is averaged on its own."""
    gradients = np.array([[[3.0, 4.0], [2.0, 0.0]], [[0.0, 9.0], [0.0, 0.0]], [[8.0, -6.0], [0.0, 7.0]]])
    found = mean_directions(gradients, np.array([0, 1, 0]))
    np.testing.assert_allclose(found, [[[0.7, 0.1], [0.5, 0.5]], [[0.0, 1.0], [0.0, 0.0]]])
