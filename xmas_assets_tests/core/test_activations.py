import numpy as np
import pytest

from xmas_assets.core.activations import activation_features


def test_parts_are_of_equal_length_over_all_layers():
    """Two layers, two parts: four unit vectors, divided by sqrt(4); a huge mean saturates at tanh = 1."""
    features = activation_features(np.full((1, 2, 4), 50.0), np.array([[[0.3, 0, 0, 0], [0, 0, 0, -2.0]]]))
    assert features.shape == (1, 2, 2, 4)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features[0, :, 0], 0.25)
    np.testing.assert_allclose(features[0, :, 1], [[0.5, 0, 0, 0], [0, 0, 0, -0.5]])


def test_a_part_without_tokens_is_zero_and_the_other_one_keeps_its_length():
    features = activation_features(np.zeros((3, 2, 4)), np.ones((3, 2, 4)))
    assert not features[:, :, 0].any()
    np.testing.assert_allclose(np.square(features).sum(axis=(1, 2, 3)), 0.5, rtol=1e-6)


def test_parts_of_different_shape_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 3, 4\) and text_means \(2, 3, 5\) must both have shape"):
        activation_features(np.zeros((2, 3, 4)), np.zeros((2, 3, 5)))
