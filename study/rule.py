"""The rule of ``xmas advise``: from what random loses to repeats to whether ``xmas_distinct`` pays.

Its one number is fitted to the map and tried on the datasets of the other parts, which had no say in it.
"""

import numpy as np
import polars as pl

from study.analysis import difference, mean_score
from study.design import PLAN
from study.measures import read_measures
from study.running import RESULTS
from xmas_assets.report.advice import SPACE

METHOD = "xmas_distinct"
PAYS_FROM = 0.03
"""A mean gain over random from here on counts as paying: what nine units can resolve (PLAN.md)."""


def observations() -> pl.DataFrame:
    """A row per experiment at equal steps and budget that ran ``METHOD``.

    Columns ``part``, ``dataset``, ``budget``, ``duplicate_mass`` and ``expected_loss`` (by image and text of the base
    model joined), ``headroom`` (how far full data is above random, known only after training both),
    ``difference`` from random with ``low`` and ``high``, ``n_seeds`` and ``pays``.
    """
    measured = read_measures()
    rows = []
    for experiment in PLAN:
        ran = METHOD in experiment.methods and not experiment.against and experiment.overrides
        if ran and list((RESULTS / experiment.name).glob("unit*.parquet")):
            for budget in experiment.budgets:
                gain = difference((experiment, METHOD), (experiment, "random"), budget)
                known = {"part": experiment.part, "dataset": experiment.dataset, "budget": budget}
                repeats = measured[experiment.dataset][SPACE]
                of_repeats = {
                    "duplicate_mass": repeats.duplicate_mass,
                    "expected_loss": repeats.expected_loss(float(budget)),
                }
                above = mean_score(experiment, "full", "1") - mean_score(experiment, "random", budget)
                rows.append(known | of_repeats | {"headroom": above} | gain)
    return pl.DataFrame(rows).with_columns(pays=pl.col("difference") >= PAYS_FROM)


def best_borders(seen: pl.DataFrame, measure: str) -> tuple[float, list[tuple[float, float]]]:
    """From which value of a measure on paying is predicted with the fewest errors.

    Args:
        seen: As from ``observations``.
        measure: 'expected_loss' or 'duplicate_mass'.

    Returns:
        The middle of the widest gap between two values whose parting makes fewest errors, and all such gaps.
    """
    values = np.unique(seen[measure].to_numpy())
    gaps = list(zip(values[:-1].tolist(), values[1:].tolist(), strict=True))
    errors = [int(((seen[measure] > low) != seen["pays"]).sum()) for low, _ in gaps]
    best = [gap for gap, wrong in zip(gaps, errors, strict=True) if wrong == min(errors)]
    return sum(max(best, key=lambda gap: gap[1] - gap[0])) / 2, best


def fitted_threshold(seen: pl.DataFrame, measure: str = "expected_loss") -> float:
    """The border of the rule, in whole percent."""
    return round(best_borders(seen, measure)[0], 2)


def undecided(seen: pl.DataFrame) -> tuple[float, float]:
    """The lowest and the highest border on the expected loss that make fewest errors: nothing decides between them."""
    _, best = best_borders(seen, "expected_loss")
    return round(sum(best[0]) / 2, 2), round(sum(best[-1]) / 2, 2)


def n_right(seen: pl.DataFrame, predicted: pl.Expr | bool) -> tuple[int, int, int, int]:
    """How often paying was predicted rightly, of how many; and the same where the interval leaves no doubt.

    Args:
        seen: As from ``observations``.
        predicted: Whether each pays.
    """
    decided = (pl.col("low") >= PAYS_FROM) | (pl.col("high") < PAYS_FROM)
    right = seen.with_columns(predicted=predicted, decided=decided).with_columns(
        right=pl.col("predicted") == pl.col("pays")
    )
    sure = right.filter("decided")
    return int(right["right"].sum()), right.height, int(sure["right"].sum()), sure.height
