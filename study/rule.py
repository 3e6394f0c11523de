"""The rule of ``xmas advise``: from how much a dataset repeats itself to whether ``xmas_distinct`` pays on it.

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

    Columns ``part``, ``dataset``, ``budget``, ``duplicate_mass`` (image and text of the base model
    joined), ``difference`` from random with ``low`` and ``high``, ``n_seeds`` and ``pays``.
    """
    joined = read_measures().filter(pl.col("space") == SPACE)
    masses = dict(joined.select("dataset", "duplicate_mass").iter_rows())
    rows = []
    for experiment in PLAN:
        ran = METHOD in experiment.methods and not experiment.against and experiment.overrides
        if ran and list((RESULTS / experiment.name).glob("unit*.parquet")):
            for budget in experiment.budgets:
                gain = difference((experiment, METHOD), (experiment, "random"), budget)
                known = {"part": experiment.part, "dataset": experiment.dataset, "budget": budget}
                rows.append(known | {"duplicate_mass": masses[experiment.dataset]} | gain)
    return pl.DataFrame(rows).with_columns(pays=pl.col("difference") >= PAYS_FROM)


def fitted_threshold(seen: pl.DataFrame) -> float:
    """The duplicate mass from which on paying is foretold with the fewest errors; of several, amid the widest gap.

    Args:
        seen: As from ``observations``.
    """
    masses = np.unique(seen["duplicate_mass"].to_numpy())
    middles = (masses[:-1] + masses[1:]) / 2
    errors = [int(((seen["duplicate_mass"] >= middle) != seen["pays"]).sum()) for middle in middles]
    best = np.flatnonzero(np.array(errors) == min(errors))
    return float(middles[best[np.argmax(np.diff(masses)[best])]])
