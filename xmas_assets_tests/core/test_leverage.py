import numpy as np
import pytest

from xmas_assets.core.leverage import leverage_scores


def svd_scores(rows, energy_share):
    """Independent: a full singular value decomposition."""
    left, values, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    shares = np.cumsum(values**2) / np.sum(values**2)
    rank = int(np.argmax(shares >= energy_share)) + 1
    return np.square(left[:, :rank]).sum(axis=1), rank


@pytest.mark.parametrize("energy_share", [0.3, 0.9, 1.0])
@pytest.mark.parametrize("shape", [(200, 9), (7, 30)])
def test_scores_are_those_of_a_full_decomposition_however_the_rows_are_cut(shape, energy_share):
    rows = np.random.default_rng(0).normal(size=shape) @ np.diag(np.geomspace(1, 0.1, shape[1])) + 5
    expected, rank = svd_scores(rows, energy_share)
    for n_blocks in (1, 3):
        blocks = np.array_split(rows, n_blocks)
        leverage = leverage_scores(lambda blocks=blocks: blocks, energy_share=energy_share)
        assert leverage.rank == min(rank, shape[0] - 1)
        np.testing.assert_allclose(leverage.scores, expected if leverage.rank == rank else 1 - 1 / shape[0], rtol=1e-6)


def test_scores_add_up_to_the_rank_and_do_not_depend_on_shift_or_rotation():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(60, 5)) * [5, 3, 1, 0.2, 0.1]
    rotation = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    plain, turned = leverage_scores(lambda: [rows]), leverage_scores(lambda: [rows @ rotation + 1e4])
    assert plain.scores.sum() == pytest.approx(plain.rank)
    assert turned.rank == plain.rank
    np.testing.assert_allclose(turned.scores, plain.scores, rtol=1e-6)


def test_equal_rows_have_no_leverage():
    leverage = leverage_scores(lambda: [np.full((3, 2), 0.1, dtype=np.float32), np.full((2, 2), 0.1, dtype=np.float32)])
    assert leverage.rank == 0
    assert leverage.scores.tolist() == [0] * 5


def test_no_rows_and_a_share_out_of_range_are_refused():
    with pytest.raises(ValueError, match="there are no rows"):
        leverage_scores(list)
    with pytest.raises(ValueError, match=r"energy_share must be in \(0, 1\], got 0"):
        leverage_scores(lambda: [np.ones((2, 2))], energy_share=0)
