"""What is cheap to know of a feature before anything is trained on a choice by it: does it find skills and repeats?"""

import json

import numpy as np
import polars as pl
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata
from sklearn.metrics import adjusted_mutual_info_score

from study.datasets import dataset_folder
from study.design import PLAN, Experiment
from study.running import RESULTS, keep_larger, read_folder
from xmas_assets.core.clustering import default_n_clusters, kmeans
from xmas_assets.home.home import Home
from xmas_assets.home.stored_signals import stored_signals
from xmas_assets.stages.redundancy import space_points, stored_spaces

_FOLDER = "features"
MEASURED = ("main_shapes_steps", "main_plain_steps", "size_shapes_small_proxy")
_MOST_ROWS = 1500


def measure_features(home: Home) -> None:
    """Measure the features of every stored unit of the experiments in ``MEASURED``."""
    for experiment in (experiment for experiment in PLAN if experiment.name in MEASURED):
        for unit in range(experiment.n_units):
            if home.is_stored("attention_maps", experiment.registration(unit)):
                keep_larger(RESULTS / _FOLDER / f"{experiment.name}_{unit}.parquet", _measure(home, experiment, unit))


def read_features() -> pl.DataFrame:
    """A row per feature: ``experiment``, ``unit``, ``feature``, ``information``, ``repeats``.

    ``information`` is the mutual information of the feature's k-means clusters with the skill, adjusted for chance (0)
    and at most 1. ``repeats`` is the chance that a pair of rows of one group (same scene and question, same picture, or
    same question) is nearer than a pair of other rows of one skill; null where there are no groups.
    """
    return read_folder(_FOLDER)


def _measure(home: Home, experiment: Experiment, unit: int) -> pl.DataFrame:
    dataset = experiment.registration(unit)
    signals = stored_signals(home, dataset)
    records = json.loads((dataset_folder(home, experiment.dataset) / "train.json").read_text())
    groups = {record["id"]: record["group"] for record in records}
    samples = home.stored("raw_dataset", dataset)["samples"].frame(["sample_id", "task"])
    group = np.array([groups[sample_id] for sample_id in samples["sample_id"]])
    _, skill = np.unique(samples["task"].to_numpy(), return_inverse=True)
    found = []
    for space in stored_spaces(signals):
        points = space_points(signals, space)
        if len(points) != len(skill):
            raise ValueError(f"{dataset}: only {len(points)} of {len(skill)} rows have a place in {space}")
        labels, _ = kmeans(points, default_n_clusters(len(points)), seed=0)
        information = float(adjusted_mutual_info_score(skill, labels))
        found.append({"feature": space, "information": information, "repeats": _repeats(points, group, skill)})
    return pl.DataFrame(found, schema_overrides={"repeats": pl.Float64}).with_columns(
        experiment=pl.lit(experiment.name), unit=unit
    )


def _repeats(points: np.ndarray, group: np.ndarray, skill: np.ndarray) -> float | None:
    """Chance that a pair of one group is nearer than a pair of two groups of one skill, over rows drawn by a seed."""
    rows = np.random.default_rng(0).permutation(len(points))[:_MOST_ROWS]
    same_group = squareform(group[rows, None] == group[rows], checks=False)
    others = squareform(skill[rows, None] == skill[rows], checks=False) & ~same_group
    distances = pdist(points[rows].reshape(len(rows), -1))
    n_same, n_others = int(same_group.sum()), int(others.sum())
    if not n_same or not n_others:
        return None
    ranks = rankdata(np.concatenate([distances[same_group], distances[others]]))
    return float(1 - (ranks[:n_same].sum() - n_same * (n_same + 1) / 2) / (n_same * n_others))
