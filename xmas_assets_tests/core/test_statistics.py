"""Intervals for scores: hand-worked estimates, textbook intervals as reference, and coverage by simulation."""

import math
import time
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from xmas_assets.core.statistics import (
    can_be_compared,
    holm,
    interval_of,
    lowest,
    paired_difference_interval,
    ratio_interval,
    score_interval,
)


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_tasks_count_alike_however_many_questions_they_have():
    """Seed 0: task a 2/3, task b 1, mean 5/6. Seed 1: a 1/3, b 0, mean 1/6. Mean of both: 1/2."""
    scores = [[1, 1, 0, 1], [0, 1, 0, 0]]
    interval = score_interval(scores, ["a", "a", "a", "b"], clusters=[0, 1, 2, 3], rng=_rng())
    assert interval.estimate == pytest.approx(0.5)
    assert (interval.n_seeds, interval.coverage) == (2, 1.0)


def test_a_missing_answer_lowers_the_coverage_and_not_the_score():
    """Answered: 1, 1, 0 in task a and 1 in task b: (2/3 + 1) / 2. One of five is missing."""
    interval = score_interval([[1, 1, 0, 1, math.nan]], ["a", "a", "a", "b", "b"], clusters=range(5), rng=_rng())
    assert interval.estimate == pytest.approx(5 / 6)
    assert interval.coverage == pytest.approx(0.8)


def test_a_task_that_one_seed_missed_is_judged_by_the_other():
    """Task a: seeds 1 and 0, mean 1/2. Task b: only seed 1, score 1. Macro mean 3/4."""
    interval = score_interval([[1, math.nan], [0, 1]], ["a", "b"], clusters=[0, 1], rng=_rng())
    assert interval.estimate == pytest.approx(0.75)
    assert interval.coverage == pytest.approx(0.75)


def test_without_seeds_and_shared_images_it_is_the_textbook_t_interval():
    scores = np.random.default_rng(3).random(400)
    expected = stats.ttest_1samp(scores, 0).confidence_interval(0.95)
    interval = score_interval([scores], np.zeros(400), clusters=np.arange(400), n_resamples=20_000, rng=_rng())
    assert (interval.low, interval.high) == pytest.approx(tuple(expected), abs=0.001)


def test_seeds_alone_give_the_textbook_t_interval_of_few_seeds():
    seed_scores = np.array([0.50, 0.52, 0.47])
    expected = stats.ttest_1samp(seed_scores, 0).confidence_interval(0.95)
    scores = np.repeat(seed_scores[:, None], 50, axis=1)
    interval = score_interval(scores, np.zeros(50), clusters=np.arange(50), n_resamples=20_000, rng=_rng())
    assert (interval.low, interval.high) == pytest.approx(tuple(expected), abs=0.003)


def test_asking_the_same_twice_about_an_image_adds_no_certainty():
    scores = np.random.default_rng(4).random((3, 60))
    once = score_interval(scores, np.zeros(60), clusters=np.arange(60), rng=_rng())
    twice = score_interval(np.tile(scores, 2), np.zeros(120), clusters=np.tile(np.arange(60), 2), rng=_rng())
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))


def test_one_seed_is_counted_and_one_image_gives_no_interval():
    one_seed = score_interval([[1, 0, 1]], [0, 0, 0], clusters=[0, 1, 2], rng=_rng())
    assert one_seed.n_seeds == 1
    assert one_seed.low < one_seed.estimate < one_seed.high
    one_image = score_interval([[1, 0, 1], [1, 1, 1]], [0, 0, 0], clusters=[7, 7, 7], rng=_rng())
    assert one_image.estimate == pytest.approx(5 / 6)
    assert math.isnan(one_image.low)
    assert math.isnan(one_image.high)


def test_a_shared_difficulty_cancels_in_the_paired_difference():
    """Always 0.1 apart, whatever the question and seed: no doubt is left, though each score alone is uncertain."""
    other = np.random.default_rng(5).random((3, 40)) * 0.9
    design = {"strata": np.arange(40) % 4, "clusters": np.arange(40) // 2}
    difference = paired_difference_interval(other + 0.1, other, **design, rng=_rng())
    assert (difference.estimate, difference.low, difference.high) == pytest.approx((0.1, 0.1, 0.1))
    alone = score_interval(other, design["strata"], clusters=design["clusters"], rng=_rng())
    assert alone.high - alone.low > 0.05


def test_a_pair_uses_only_the_questions_that_both_answered():
    """Common: questions 0 and 2. Scores 1, 0 against 0, 0: difference 1/2 on 2 of 3 questions."""
    difference = paired_difference_interval(
        [[1, 1, 0]], [[0, math.nan, 0]], strata=[0, 0, 0], clusters=[0, 1, 2], rng=_rng()
    )
    assert difference.estimate == pytest.approx(0.5)
    assert difference.coverage == pytest.approx(2 / 3)


def test_half_the_reference_everywhere_is_50_percent_without_doubt():
    reference = 0.2 + 0.8 * np.random.default_rng(6).random((2, 30))
    ratio = ratio_interval(reference / 2, reference, strata=np.zeros(30), clusters=np.arange(30), rng=_rng())
    assert (ratio.estimate, ratio.low, ratio.high) == pytest.approx((50.0, 50.0, 50.0))


def test_a_ratio_to_a_score_of_0_is_not_a_number():
    ratio = ratio_interval([[1, 0]], [[0, 0]], strata=[0, 0], clusters=[0, 1], rng=_rng())
    assert math.isnan(ratio.estimate)
    assert math.isnan(ratio.low)


def test_intervals_are_reproducible_and_stay_inside_the_possible():
    scores = np.array([[1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 0, 1]])
    first, second = (score_interval(scores, np.zeros(6), clusters=np.arange(6), rng=_rng()) for _ in range(2))
    assert first == second
    assert first.high == 1.0


@pytest.mark.parametrize(
    ("scores", "strata", "clusters", "said"),
    [
        ([[0.5, 1.5]], [0, 0], [0, 1], "0..1"),
        ([[]], [], [], "non-empty"),
        ([0.5, 0.5], [0, 0], [0, 1], "n_seeds, n_questions"),
        ([[0.5, 0.5]], [0], [0, 1], "2 questions"),
    ],
)
def test_impossible_input_is_refused_with_what_was_seen(scores, strata, clusters, said):
    with pytest.raises(ValueError, match=said):
        score_interval(scores, strata, clusters=clusters, rng=_rng())


def test_the_p_value_is_that_of_the_t_test_and_agrees_with_the_interval():
    scores = np.random.default_rng(3).random(400)
    interval = score_interval([scores], np.zeros(400), clusters=np.arange(400), n_resamples=20_000, rng=_rng())
    assert interval.p_value(of=0.47) == pytest.approx(stats.ttest_1samp(scores, 0.47).pvalue, abs=0.01)
    assert interval.p_value(of=interval.low) == pytest.approx(0.05)
    sure = paired_difference_interval([[1, 1]], [[0, 0]], strata=[0, 0], clusters=[0, 1], rng=_rng())
    assert (sure.p_value(), sure.p_value(of=1.0)) == (0.0, 1.0)


def test_the_noise_of_rounding_is_no_spread():
    """96 everywhere but for the last digit, and that more often where seeds are resampled alone than with images."""
    nearly = np.nextafter(96.0, 97.0)
    by_seed, crossed = np.full(1000, 96.0), np.full(1000, 96.0)
    by_seed[::2], crossed[:1] = nearly, nearly
    interval = interval_of(np.concatenate([[96.0], by_seed, crossed]), n_seeds=2, n_clusters=40)
    assert (interval.low, interval.high) == (96.0, 96.0)


def test_p_values_are_corrected_by_holms_rule():
    """Three tests: 3 x 0.01, then 2 x 0.03, then 1 x 0.04 raised to the one before. What is no test stays out."""
    assert holm([0.01, 0.04, math.nan, 0.03]) == pytest.approx([0.03, 0.06, math.nan, 0.06], nan_ok=True)
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])
    assert holm([]).shape == (0,)


def test_above_the_best_of_several_means_above_each_beyond_chance():
    difference = paired_difference_interval([[1, 0]], [[0, 0]], strata=[0, 0], clusters=[0, 1], rng=_rng())
    narrow, wide = (
        replace(difference, estimate=value, low=low, high=high)
        for value, low, high in ((0.3, 0.2, 0.4), (0.5, -0.1, 1.0))
    )
    both = lowest([wide, narrow])
    assert both is not None
    assert (both.estimate, both.low, both.high) == (0.3, -0.1, 0.4)
    assert can_be_compared(narrow)
    assert not can_be_compared(both)
    assert not can_be_compared(lowest([narrow, replace(narrow, low=math.nan, high=math.nan)]))
    assert lowest([]) is None
    assert can_be_compared(None)


def test_nominal_95_percent_covers_the_truth_in_90_to_99_of_100_experiments():
    """Right or wrong answers with probability 0.6 + seed effect + image effect, so that the true score is 0.6."""
    covered = 0
    for experiment in range(200):
        rng = np.random.default_rng(experiment)
        images, tasks = np.repeat(np.arange(60), 3), np.tile(np.arange(3), 60)
        chance = 0.6 + rng.normal(0, 0.03, (3, 1)) + rng.uniform(-0.35, 0.35, 60)[images]
        answers = (rng.random(chance.shape) < chance).astype(float)
        interval = score_interval(answers, tasks, clusters=images, n_resamples=300, rng=rng)
        covered += interval.low <= 0.6 <= interval.high
    assert 180 <= covered <= 198


def test_ten_thousand_questions_take_a_few_cpu_seconds_at_most():
    rng = _rng()
    scores = (rng.random((3, 10_000)) < 0.7).astype(float)
    start = time.process_time()
    score_interval(scores, rng.integers(0, 9, 10_000), clusters=np.arange(10_000), rng=rng)
    assert time.process_time() - start < 5
