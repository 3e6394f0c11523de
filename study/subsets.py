"""What is in the subsets: how many different groups and rare skills each choice holds, where the truth is known."""

import json

import polars as pl

from study.datasets import dataset_folder
from study.design import PLAN, Experiment
from study.running import RESULTS, keep_larger, read_folder
from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.home.home import Home
from xmas_assets.toy.questions import RARE_SKILLS

_FOLDER = "subsets"
DESCRIBED = ("main_shapes_steps", "size_shapes_small_proxy", "size_shapes_other_proxy")


def describe_subsets(home: Home) -> None:
    """Describe every stored subset of the experiments in ``DESCRIBED``, a file per unit that is there."""
    for experiment in (experiment for experiment in PLAN if experiment.name in DESCRIBED):
        path = dataset_folder(home, experiment.dataset) / "train.json"
        if not path.exists():
            continue
        records = json.loads(path.read_text())
        known = pl.DataFrame([{"sample_id": one["id"], "task": one["task"], "group": one["group"]} for one in records])
        for unit in range(experiment.n_units):
            rows = [_describe(home, experiment, unit, known, key) for key in experiment.keys(unit)]
            found = [row for row in rows if row]
            if found:
                keep_larger(RESULTS / _FOLDER / f"{experiment.name}_{unit}.parquet", pl.DataFrame(found))


def read_subsets() -> pl.DataFrame:
    """A row per subset: ``experiment``, ``method``, ``budget``, ``unit``, ``groups`` and ``rare`` (shares of its rows).

    ``groups`` is how many different groups of near-duplicates (or single rows) it holds, over its rows.
    """
    return read_folder(_FOLDER)


def _describe(home: Home, experiment: Experiment, unit: int, known: pl.DataFrame, key: SelectionKey) -> dict:
    partition = f"{experiment.registration(unit)}|{key}"
    if not home.is_stored("selected_subset", partition):
        return {}
    chosen = home.stored("selected_subset", partition)["subset"].frame(["sample_id"])
    rows = chosen.join(known, on="sample_id", how="inner")
    if rows.height != chosen.height:
        raise ValueError(f"{partition} has rows that are not in the dataset; make the dataset again")
    return {
        "experiment": experiment.name,
        "method": key.method,
        "budget": key.budget_text,
        "unit": unit,
        "groups": rows["group"].n_unique() / rows.height,
        "rare": float(rows["task"].is_in(list(RARE_SKILLS)).mean()),  # pyright: ignore[reportArgumentType]
    }
