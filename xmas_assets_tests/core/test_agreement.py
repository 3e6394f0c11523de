"""Rank agreement of two distances over pairs of rows."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from xmas_assets.core.agreement import attention_distances, gradient_distances, measure_agreement

PAIRS_OF_FOUR = np.triu_indices(4, 1)


def measure(attention, gradient, tasks, *, seed=0, **options):
    """By pair population, of two single distances."""
    rng = np.random.default_rng(seed)
    found = measure_agreement({"a": np.array(attention)}, {"g": np.array(gradient)}, tasks, rng=rng, **options)
    return {agreement.pairs: agreement for agreement in found}


def clustered(n_groups: int, size: int, noise: float) -> tuple[dict, dict, np.ndarray]:
    """Groups whose members look alike and whose gradients point alike; groups have nothing to do with each other."""
    rng = np.random.default_rng(5)
    group = np.repeat(np.arange(n_groups), size)
    looks, moves = rng.normal(size=(2, n_groups, 40))[:, group] + noise * rng.normal(size=(2, len(group), 40))
    values = np.abs(rng.normal(size=(len(group), 3, 2)))
    return attention_distances(values, looks.reshape(-1, 4, 10)), gradient_distances(moves), group % 2


def test_distances_of_three_rows_by_hand():
    """Sums 3, 4 | 3, 8 | 0, 0 and all values: rows 0 and 1 differ by (1, -1) and (0, 4)."""
    values = np.array([[[2, 1], [4, 0]], [[1, 2], [4, 4]], [[0, 0], [0, 0]]], dtype=np.float32)
    maps = np.array([[[1.0]], [[4.0]], [[0.0]]])
    distances = attention_distances(values, maps)
    np.testing.assert_allclose(distances["scalar_trajectory"], [4, 5, np.sqrt(73)])
    np.testing.assert_allclose(distances["all_values"], np.sqrt([2 + 16, 21, 37]))
    np.testing.assert_allclose(distances["attention_maps"], [3, 1, 4])


def test_gradient_distances_of_three_rows_by_hand():
    """Along one axis, along it twice as long, and along another: 1 - cosine is 0, 1, 1."""
    distances = gradient_distances(np.array([[3.0, 0], [6, 0], [0, 4]]))
    np.testing.assert_allclose(distances["direction"], [0, 1, 1], atol=1e-15)
    np.testing.assert_allclose(distances["difference"], [3, 5, np.sqrt(52)])


def test_six_pairs_by_hand():
    """Ranks 1..6 against 1 2 3 4 6 5: 1 - 6 * 2 / (6 * 35) = 33/35. The two nearest in gradient are the two nearest
    in attention."""
    found = measure([1, 2, 3, 4, 5, 6.0], [1, 2, 3, 4, 6, 5.0], np.array([0, 0, 1, 1]), nearest_share=1 / 3)
    assert found["all"].spearman == pytest.approx(33 / 35)
    assert (found["all"].auc, found["all"].n_pairs, found["all"].n_rows) == (1, 6, 4)


def test_pairs_within_and_across_tasks_are_told_apart():
    """Rows 0, 1 and rows 2, 3: pairs 01 and 23 (first and last of six) agree, the other four are turned round."""
    found = measure([1, 2, 3, 4, 5, 6.0], [1, 9, 8, 7, 5, 10.0], np.array([0, 0, 1, 1]))
    assert [(name, found[name].n_pairs, found[name].spearman) for name in ("same_task", "different_tasks")] == [
        ("same_task", 2, pytest.approx(1)),
        ("different_tasks", 4, pytest.approx(-1)),
    ]


def test_one_task_has_no_pairs_across():
    assert set(measure([1, 2, 3, 4, 5, 6.0], [1, 2, 3, 4, 6, 5.0], np.zeros(4, dtype=int))) == {"all", "same_task"}


def test_the_intervals_are_those_of_rows_drawn_again_and_their_pairs_written_out():
    """The same draws, every pair repeated as often as its rows say, given to scipy and scikit-learn."""
    rng = np.random.default_rng(3)
    one, other = np.round(rng.random((2, 45)), 1)
    other += np.round(one)
    found = measure(one, other, np.zeros(10, dtype=int), seed=11, n_resamples=50, nearest_share=0.1)["all"]
    is_near = other <= np.sort(other)[4]  # 10 % of 45 pairs are 4.5: the fifth smallest is the first to reach it
    first, second = np.triu_indices(10, 1)
    draws, rhos, aucs = np.random.default_rng(11), [], []
    for _ in range(50):
        counts = np.bincount(draws.integers(10, size=10), minlength=10)
        again = np.repeat(np.arange(45), counts[first] * counts[second])
        rhos.append(spearmanr(one[again], other[again]).statistic)
        aucs.append(roc_auc_score(is_near[again], -one[again]) if 0 < is_near[again].mean() < 1 else np.nan)
    assert found.spearman == pytest.approx(spearmanr(one, other).statistic)
    assert found.auc == pytest.approx(roc_auc_score(is_near, -one))
    np.testing.assert_allclose(found.spearman_interval, np.percentile(rhos, (2.5, 97.5)))
    np.testing.assert_allclose(found.auc_interval, np.percentile(aucs, (2.5, 97.5)))


def test_maps_find_the_pairs_of_equal_gradients_though_they_do_not_rank_the_others():
    """15 groups of 6: 2.8 % of the pairs lie inside a group. Values drawn at random find nothing."""
    found = measure_agreement(*clustered(15, 6, 0.1), rng=np.random.default_rng(0), n_resamples=30)
    maps, values = (
        next(a for a in found if (a.pairs, a.attention, a.gradient) == ("all", name, "direction"))
        for name in ("attention_maps", "all_values")
    )
    assert maps.auc > 0.95
    assert maps.auc_interval[0] > 0.9
    assert maps.spearman < 0.4
    assert values.auc_interval[0] < 0.5 < values.auc_interval[1]
    assert values.spearman_interval[0] < 0 < values.spearman_interval[1]
    assert len(found) == 3 * 2 * 3


def test_the_interval_covers_a_correlation_of_zero_about_as_often_as_it_says():
    """40 draws of unrelated rows: at 95 % at most 6 misses but for a chance of 0.3 % (binomial)."""
    rng = np.random.default_rng(0)
    misses = 0
    for seed in range(40):
        one, other = (rng.normal(size=(30, 1)) * rng.lognormal(size=(30, 1)) for _ in range(2))
        maps = one.reshape(30, 1, 1)
        distances = attention_distances(np.zeros((30, 1, 1)), maps)["attention_maps"]
        found = measure(
            distances, gradient_distances(other)["difference"], np.zeros(30, dtype=int), seed=seed, n_resamples=100
        )
        low, high = found["all"].spearman_interval
        misses += not low <= 0 <= high
    assert misses <= 6


def test_distances_that_do_not_vary_have_no_correlation():
    found = measure(np.ones(6), [1, 2, 3, 4, 6, 5.0], np.zeros(4, dtype=int), n_resamples=3)["all"]
    assert np.isnan(found.spearman)
    assert np.isnan(found.spearman_interval).all()
    assert found.auc == 0.5


@pytest.mark.parametrize("distances", [[1, 2, 3, 4, 5, np.nan], [1, 2, 3.0]])
def test_distances_that_are_no_numbers_or_too_few_are_refused(distances):
    with pytest.raises(ValueError, match="'a' must be finite and have a value for each of 6 pairs"):
        measure(distances, np.ones(6), np.zeros(4, dtype=int))
