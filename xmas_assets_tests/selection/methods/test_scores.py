"""The methods that keep the rows of the best score: length, perplexity, el2n, grad_norm, ifd, clip_score."""

import numpy as np
import pytest

from xmas_assets.selection.registry import make_method


def select(name, budget, *, parameters=None, **signals):
    """Rows named in their order."""
    n_rows = len(next(iter(signals.values())))
    arrays = {key: np.array(values) for key, values in signals.items()}
    ids = np.array([f"{row:03d}" for row in range(n_rows)])
    return make_method(name, parameters or {}).select(arrays | {"sample_ids": ids}, budget, 0).tolist()


@pytest.mark.parametrize(
    ("name", "signal"), [("length", "answer_length"), ("el2n", "el2n"), ("grad_norm", "gradient_norm")]
)
def test_the_largest_are_kept_and_ties_go_to_the_smaller_id(name, signal):
    assert select(name, 2, **{signal: [3, 9, 5, 5, 1]}) == [1, 2]


@pytest.mark.parametrize(("name", "signal"), [("el2n", "el2n"), ("grad_norm", "gradient_norm")])
def test_the_easy_end_can_be_kept_instead(name, signal):
    assert select(name, 2, parameters={"keep": "smallest"}, **{signal: [3.0, 9, 5, 5, 1]}) == [0, 4]


def test_the_middle_band_of_perplexity_is_one_of_ranks():
    """Ascending 1, 2, 3, 4, 900: the middle is 3; next are 2 and 4, as near in rank, and 2 comes first."""
    values = [900.0, 2, 4, 1, 3]
    assert select("perplexity", 1, perplexity=values) == [4]
    assert select("perplexity", 2, perplexity=values) == [1, 4]
    assert select("perplexity", 3, perplexity=values) == [1, 2, 4]


@pytest.mark.parametrize(("percentile", "kept"), [(0, [0, 1, 2]), (100, [7, 8, 9]), (25, [1, 2, 3])])
def test_the_band_can_be_moved_along_the_ranks(percentile, kept):
    """The 25th percentile of ten ranks is 0.25 x 9 = 2.25: rank 2, then 3, then 1."""
    parameters = {"percentile": percentile}
    assert select("perplexity", 3, parameters=parameters, perplexity=np.arange(10.0) ** 3) == kept


def test_rows_that_their_instruction_does_not_help_come_last():
    """Below 1: .9, .5, .2 in this order; then 1.0 and at last 1.7."""
    values = [1.7, 0.2, 0.9, 1.0, 0.5]
    orders = [select("ifd", budget, ifd=values) for budget in (1, 2, 3, 4)]
    assert orders == [[2], [2, 4], [1, 2, 4], [1, 2, 3, 4]]


def test_text_that_fits_its_image_is_kept_and_text_only_rows_get_their_share():
    """Six rows, two of them without image: of 3 they get 3 x 2 // 6 = 1, the other two are the best fitting."""
    rows = select("clip_score", 3, has_image=[1, 1, 0, 1, 0, 1], clip_score=[0.1, 0.3, np.nan, 0.2, np.nan, -0.4])
    assert [row for row in rows if row not in (2, 4)] == [1, 3]
    assert len(rows) == 3
