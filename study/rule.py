"""The rule of ``xmas advise``: from what random loses to repeats to whether ``xmas_distinct`` pays.

Its one number is fitted to the map and tried on the datasets of the other parts, which had no say in it.
"""

import numpy as np
import polars as pl

from study.analysis import difference
from study.design import PLAN
from study.measures import read_measures
from study.running import RESULTS
from xmas_assets.core.advice import SPACE

METHOD = "xmas_distinct"
PAYS_FROM = 0.03
"""A mean gain over random from here on counts as paying: what nine units can resolve (PLAN.md)."""


def observations() -> pl.DataFrame:
    """A row per experiment at equal steps and budget that ran ``METHOD``.

    Columns ``part``, ``dataset``, ``budget``, ``duplicate_mass`` and ``waste`` (by image and text of the base
    model joined), ``difference`` from random with ``low`` and ``high``, ``n_seeds`` and ``pays``.
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
                of_repeats = {"duplicate_mass": repeats.duplicate_mass, "waste": repeats.waste(float(budget))}
                rows.append(known | of_repeats | gain)
    return pl.DataFrame(rows).with_columns(pays=pl.col("difference") >= PAYS_FROM)


def fitted_threshold(seen: pl.DataFrame) -> float:
    """The waste from which on paying is foretold with the fewest errors; of several, amid the widest gap.

    Args:
        seen: As from ``observations``.
    """
    wastes = np.unique(seen["waste"].to_numpy())
    middles = (wastes[:-1] + wastes[1:]) / 2
    errors = [int(((seen["waste"] >= middle) != seen["pays"]).sum()) for middle in middles]
    best = np.flatnonzero(np.array(errors) == min(errors))
    return float(middles[best[np.argmax(np.diff(wastes)[best])]])
