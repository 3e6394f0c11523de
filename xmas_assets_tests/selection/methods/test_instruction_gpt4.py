import numpy as np
import pytest

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.selection.methods.instruction_gpt4 import InstructionGpt4, predict_quality


def signals_of(indicators, clusters, *, has_image=None):
    """Rated subsets say: the first indicator is good, the second says nothing."""
    indicators = np.array(indicators, dtype=float)
    return {
        "sample_ids": np.array([f"{row:03d}" for row in range(len(indicators))]),
        "has_image": np.ones(len(indicators)) if has_image is None else np.array(has_image),
        "image_embedding": np.array(clusters, dtype=float)[:, None] * 100,
        "quality_indicators": indicators,
        "rated_indicators": np.array([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0]]),
        "ratings": np.array([10.0, 20.0, 30.0]),
    }


def test_the_best_rows_of_every_cluster_are_kept_in_proportion_to_its_size():
    """Clusters of 6 and 3 rows: of 3 rows 2 and 1. The second indicator, as large as it is, does not count."""
    indicators = [[quality, 50 - quality] for quality in (1, 6, 3, 2, 5, 4, 0.1, 0.3, 0.2)]
    signals = signals_of(indicators, [0] * 6 + [1] * 3)
    assert InstructionGpt4(n_clusters=2).select(signals, 3, 0).tolist() == [1, 4, 7]


def test_quality_follows_the_ratings_of_the_subsets():
    """Subsets at 0, 1, 2 rated 10, 20, 30: slope 10 but for the shrinkage. Scaled by the spread s = sqrt(2/3), the Gram
    matrix is 3, plus ridge 1: slope x 3/4. At 3: 20 + 2 x 7.5 = 35.
    """
    rated, ratings = np.array([[0.0], [1.0], [2.0]]), np.array([10.0, 20.0, 30.0])
    np.testing.assert_allclose(predict_quality(np.array([[3.0], [1.0]]), rated, ratings, ridge=1.0), [35, 20])


def test_text_only_rows_are_a_stratum_drawn_at_random():
    """Three clusters of 4 rows, one without image: of 6 rows 2 each."""
    indicators = np.vstack([np.arange(12.0), np.zeros(12)]).T
    signals = signals_of(indicators, [0] * 4 + [1] * 4 + [0] * 4, has_image=[1] * 8 + [0] * 4)
    chosen = [tuple(InstructionGpt4(n_clusters=2).select(signals, 6, seed).tolist()) for seed in range(8)]
    assert {rows[:4] for rows in chosen} == {(2, 3, 6, 7)}
    assert len({rows[4:] for rows in chosen}) > 1


@pytest.mark.parametrize(
    "change",
    [
        {"rated_indicators": np.ones((1, 2)), "ratings": np.ones(1)},
        {"rated_indicators": np.ones((3, 4))},
        {"ratings": np.ones(2)},
    ],
)
def test_ratings_that_do_not_fit_are_refused(change):
    with pytest.raises(SelectionError, match="give at least two rated subsets, with the rows' indicators"):
        InstructionGpt4().select(signals_of(np.ones((4, 2)), [0] * 4) | change, 2, 0)


def test_missing_ratings_are_refused_with_what_to_provide():
    signals = signals_of(np.ones((4, 2)), [0] * 4)
    del signals["ratings"]
    with pytest.raises(SelectionError, match="ratings: it holds the scores that a judge or a benchmark gave"):
        InstructionGpt4().select(signals, 2, 0)
