"""Resampled headlines against naive loops, the platform's own benchmarks, and the intervals of single scores."""

import numpy as np
import pytest

from xmas_assets.core.resampling import Design, draw_weights, headline_resamples, resampled_mean
from xmas_assets.core.statistics import interval_of, score_interval
from xmas_assets.evaluation.benchmarks.base import Unit
from xmas_assets.evaluation.benchmarks.pope import Pope


def _f1(means):
    hits, false_alarms, misses = np.moveaxis(means, -1, 0)
    with np.errstate(invalid="ignore"):  # no unit at all
        return 2 * hits / (2 * hits + false_alarms + misses)


def _naive(values, strata, clusters, *, times, maximum):
    """The headline of one model where each image counts ``times[image]`` times: units copied, then plain means."""
    by_stratum: dict[str, list] = {}
    for value, stratum, cluster in zip(values, strata, clusters, strict=True):
        by_stratum.setdefault(stratum, []).extend([value] * int(times[cluster]))
    return maximum * np.mean([_f1(np.mean(units, axis=0)) for units in by_stratum.values() if units])


def _made_up():
    rng = np.random.default_rng(8)
    values = 0.1 + 0.9 * rng.random((3, 40, 3))
    strata = np.array(["a", "b", "c"])[rng.integers(0, 3, 40)]
    return values, strata, rng.integers(0, 12, 40)


def test_headlines_of_resampled_images_are_those_of_copied_images():
    values, strata, clusters = _made_up()
    found = headline_resamples(
        values,
        strata,
        clusters=clusters,
        stratum_score=_f1,
        maximum=100,
        n_resamples=300,
        rng=np.random.default_rng(1),
    )
    times = draw_weights(len(set(clusters)), 300, np.random.default_rng(1))
    names = {cluster: number for number, cluster in enumerate(sorted(set(clusters)))}
    numbered = [names[cluster] for cluster in clusters]
    for model in range(3):
        drawn = [np.ones(len(names)), *times]
        expected = [_naive(values[model], strata, numbered, times=row, maximum=100) for row in drawn]
        assert found[model] == pytest.approx(expected)


def test_the_first_column_is_the_headline_that_the_benchmark_prints():
    """POPE, two categories. Random: 1 hit, 1 false alarm, 1 miss: F1 1/2. Popular: 2 hits, 1 miss: 4/5. Mean 65 %."""
    kinds = [("random", (1, 0, 0)), ("random", (0, 1, 0)), ("random", (0, 0, 1)), ("popular", (1, 0, 0))]
    kinds += [("popular", (1, 0, 0)), ("popular", (0, 0, 1))]
    units = [Unit((str(number),), stratum, tuple(map(float, value))) for number, (stratum, value) in enumerate(kinds)]
    found = headline_resamples(
        [[unit.values for unit in units]],
        [unit.stratum for unit in units],
        clusters=range(6),
        stratum_score=Pope().stratum_score,
        maximum=Pope.maximum,
        n_resamples=5,
        rng=np.random.default_rng(0),
    )
    assert found[0, 0] == pytest.approx(65.0)
    assert found[0, 0] == pytest.approx(Pope().headline(units))


def test_units_of_one_value_give_the_interval_of_a_score():
    rng = np.random.default_rng(2)
    scores, tasks, images = rng.random((3, 90)), np.arange(90) % 3, np.arange(90) // 3
    expected = score_interval(scores, tasks, clusters=images, n_resamples=2000, rng=np.random.default_rng(0))
    draws = np.random.default_rng(0)
    seed_weights = draw_weights(3, 2000, draws)
    models = headline_resamples(scores[..., None], tasks, clusters=images, n_resamples=2000, rng=draws)
    found = interval_of(resampled_mean(models, seed_weights), n_seeds=3, n_clusters=30)
    assert (found.estimate, found.low, found.high) == pytest.approx((expected.estimate, expected.low, expected.high))


def test_a_model_is_resampled_alike_whatever_other_models_there_are():
    values, strata, clusters = _made_up()
    alone, together = (
        headline_resamples(some, strata, clusters=clusters, stratum_score=_f1, rng=np.random.default_rng(3))
        for some in (values[1:2], values)
    )
    assert alone[0] == pytest.approx(together[1], rel=1e-12)


def test_many_questions_are_drawn_in_smaller_chunks_and_come_out_the_same():
    design = Design.of([0] * 30_000, np.arange(30_000) % 50, n_units=30_000)
    chunks = list(design.image_weights(200, np.random.default_rng(5)))
    assert len(chunks) == 3
    assert np.array_equal(np.concatenate([w for _, w in chunks]), draw_weights(50, 200, np.random.default_rng(5)))


@pytest.mark.parametrize(
    ("values", "said"),
    [([[0.5]], "n_models, n_units, n_values"), ([[[np.nan]]], "without NaN"), (np.ones((1, 2, 1)), "of 2 questions")],
)
def test_values_that_cannot_be_resampled_are_refused(values, said):
    with pytest.raises(ValueError, match=said):
        headline_resamples(values, [0], clusters=[0], rng=np.random.default_rng(0))
