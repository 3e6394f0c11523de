import numpy as np

from xmas_assets.core.regression import ridge_predictions

KNOWN, TARGETS = np.array([[0.0], [1.0], [2.0]]), np.array([10.0, 20.0, 30.0])


def test_predictions_are_those_of_the_normal_equations():
    """Scaled by the spread sqrt(2/3) the Gram matrix is 3, plus 1.5: the slope of 10 is shrunk to 2/3 of it."""
    found = ridge_predictions(np.array([[1.0], [4.0]]), KNOWN, TARGETS, ridge=1.5)
    np.testing.assert_allclose(found, [20, 20 + 3 * 10 * 3 / 4.5])


def test_a_feature_that_is_the_same_in_all_examples_says_nothing():
    """The mean of 20 times 0.1 is not 0.1 in floating point, so the spread is not exactly 0."""
    rng = np.random.default_rng(0)
    known, targets, values = rng.normal(size=(20, 3)), rng.normal(size=20), rng.normal(size=(50, 3))
    constant, other = np.full((20, 1), 0.1), rng.normal(size=(50, 1))
    assert constant.std() > 0
    np.testing.assert_allclose(
        ridge_predictions(np.hstack([values, other]), np.hstack([known, constant]), targets, ridge=1.0),
        ridge_predictions(values, known, targets, ridge=1.0),
        rtol=1e-9,
    )
