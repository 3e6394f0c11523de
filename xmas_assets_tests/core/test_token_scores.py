import numpy as np
import pytest

from xmas_assets.core.token_scores import aum, el2n, spectrum_of


def test_el2n_of_a_certain_and_right_token_is_0_and_of_a_certain_and_wrong_one_the_root_of_2():
    logits = np.array([[100.0, 0.0, 0.0]])
    assert el2n(logits, np.array([0])) == pytest.approx(0)
    assert el2n(logits, np.array([1])) == pytest.approx(np.sqrt(2))


def test_aum_is_the_margin_in_probability():
    """Probabilities .5, .3, .2 and the second token right: .3 - .5; certain and right: 1."""
    logits = np.log(np.array([[0.5, 0.3, 0.2], [1.0, 1e-30, 1e-30]]))
    assert aum(logits, np.array([1, 0])) == pytest.approx((-0.2 + 1) / 2)


def test_no_tokens_score_0():
    nothing = np.zeros((0, 4)), np.zeros(0, dtype=int)
    assert el2n(*nothing) == aum(*nothing) == 0


def test_large_logits_do_not_overflow():
    logits = np.array([[60000.0, 50000.0]], dtype=np.float16)
    assert el2n(logits, np.array([0])) == 0
    assert aum(logits, np.array([0])) == 1


def test_equal_singular_values_have_the_entropy_of_their_number_and_padding_adds_nothing():
    spectrum = spectrum_of(np.array([[3.0, 3.0, 3.0, 0.0], [5.0, 0.0, 0.0, 0.0]]))
    np.testing.assert_allclose(spectrum.entropy, [np.log(3), 0])
    np.testing.assert_allclose(spectrum.leading_share, [1 / 3, 1])
