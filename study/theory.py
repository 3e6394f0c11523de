"""Do rows with alike attention have alike gradients? The platform's own check, on the datasets of some experiments;
then checkpoint by checkpoint, and a small proxy's attention against that of the model that it represents."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from scipy import stats
from scipy.spatial.distance import pdist
from sklearn.metrics import adjusted_rand_score

from study.design import PLAN, Experiment
from study.running import RESULTS, read_folder, register
from xmas_assets.core.arrays import rows_with_values
from xmas_assets.files.whole import replacing
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import read_base, read_values
from xmas_assets.orchestration.platform import Platform
from xmas_assets.orchestration.selection_runs import bring_up_to_date
from xmas_assets.stages.agreement import Pairs, agreement_table, sample_pairs

_ASSET = "attention_gradient_agreement"
_READ = ("raw_dataset", "attention_trajectories", "attention_maps", "gradients")
_FOLDER = "theory"
TARGET = "main_shapes_steps"
# Models that may represent the target: a smaller base, and one of its own size from another seed.
PROXIES = {"small base": "size_shapes_small_proxy", "other base": "size_shapes_other_proxy"}
# Near-duplicates, none, real pictures, the published code's attention, other models; warm-up and proxy are each
# unit's own.
CHECKED = (TARGET, "main_plain_steps", "main_digits_steps", "ablation_shapes_reference", *PROXIES.values())
NEAR = 0.25
"""Proxy and target count as near below this L2 distance, as in the paper."""


def check_theory(home: Home, names: tuple[str, ...] = CHECKED, n_units: int = 3) -> None:
    """Run the checks for the first units of these experiments, where they were not run yet."""
    platform = Platform.open(home)
    for experiment in (experiment for experiment in PLAN if experiment.name in names):
        for unit in range(n_units):
            name = experiment.registration(unit)
            whole, training = (_path(kind, experiment, unit) for kind in ("", "over_training"))
            if not (whole.exists() and training.exists()):
                _make(platform, experiment, unit, _ASSET)
                _keep(whole, home.stored(_ASSET, name)["agreement"].scan().collect(), experiment, unit)
                _keep(training, _over_training(home, name), experiment, unit)
    compared = {experiment.name: experiment for experiment in PLAN if experiment.name in {TARGET, *PROXIES.values()}}
    for unit in range(n_units if compared.keys() <= set(names) else 0):
        path = _path("models", compared[TARGET], unit)
        if not path.exists():
            after = (unit + 1) % n_units
            for experiment, needed in [*((one, unit) for one in compared.values()), (compared[TARGET], after)]:
                for asset in (_ASSET, "clusters"):
                    _make(platform, experiment, needed, asset)
            target = compared[TARGET].registration(unit)
            others = {label: compared[name].registration(unit) for label, name in PROXIES.items()}
            others["same base, other seed"] = compared[TARGET].registration(after)
            found = [{"other": label} | _distance(home, target, other) for label, other in others.items()]
            _keep(path, pl.DataFrame(found), compared[TARGET], unit)


def read_theory(kind: str = "") -> pl.DataFrame:
    """All units' findings, each with its ``experiment`` and ``unit``; no rows where nothing was checked.

    Args:
        kind: '' for the agreement over the whole training, 'over_training' for it checkpoint by checkpoint, 'models'
            for proxy against target.
    """
    return read_folder(f"{_FOLDER}/{kind}")


def _make(platform: Platform, experiment: Experiment, unit: int, asset: str) -> None:
    """Bring one asset of one unit up to date, whether its home has seen the unit before or not."""
    register(experiment, unit, platform.home)
    bring_up_to_date(platform, experiment.registration(unit), asset, say=print)


def _path(kind: str, experiment: Experiment, unit: int) -> Path:
    return RESULTS / _FOLDER / kind / f"{experiment.name}_{unit}.parquet"


def _keep(path: Path, found: pl.DataFrame, experiment: Experiment, unit: int) -> None:
    with replacing(path) as unfinished:
        found.with_columns(experiment=pl.lit(experiment.name), unit=unit).write_parquet(unfinished)


def _over_training(home: Home, dataset: str) -> pl.DataFrame:
    """The agreement of attention at each checkpoint of the proxy alone with gradient directions."""
    tables = [home.stored(asset, dataset) for asset in _READ]
    n_checkpoints = read_values(tables[1]["attention_trajectories"], "values").shape[1]
    found = [
        agreement_table(sample_pairs(*tables, checkpoints=slice(place, place + 1)), n_resamples=1)
        .select("pairs", "attention", "gradient", "spearman", "auc")
        .with_columns(checkpoint=pl.lit(place + 1))
        for place in range(n_checkpoints)
    ]
    return pl.concat(found).filter(pl.col("gradient") == "direction")


def _distance(home: Home, target: str, other: str) -> dict[str, float]:
    """How far two models' attention to the same rows lies apart, and whether it tells the same of them.

    Returns:
        ``l2``: mean over rows of the L2 distance of the leading singular values at the last checkpoint, per layer of
        the language model (the paper does not say of what its .25 is a distance; this is our reading); ``near``, the
        share of rows below .25. To compare with, ``l2_rows`` and ``near_rows``: the same between different rows of
        the target alone.
        ``spearman_NAME``: rank correlation of the distances of all pairs of 800 rows. ``ari``: of the clusters.
        ``auc_NAME``: chance that a pair among the 1 % nearest in the *target's* gradient is nearer in the *other's*
        attention than one that is not, within a skill.
    """
    ends = [_last_values(home, dataset) for dataset in (target, other)]
    are_read = [rows_with_values(values) for values in ends]
    pairs = [sample_pairs(*(home.stored(asset, dataset) for asset in _READ)) for dataset in (target, other)]
    if not (np.array_equal(pairs[0].sample_ids, pairs[1].sample_ids) and np.array_equal(are_read[0], are_read[1])):
        raise ValueError(f"{target} and {other} do not have attention and gradients of the same rows")
    ends = [values[are_read[0]] for values in ends]
    apart = np.linalg.norm(ends[0] - ends[1], axis=1)
    rows_apart = pdist(ends[0][:: max(1, len(ends[0]) // 800)])
    labels = [home.stored("clusters", dataset)["clusters"].column("label") for dataset in (target, other)]
    found = {
        "l2": float(apart.mean()),
        "near": float((apart < NEAR).mean()),
        "l2_rows": float(rows_apart.mean()),
        "near_rows": float((rows_apart < NEAR).mean()),
        "ari": float(adjusted_rand_score(*labels)),
    }
    for name in pairs[0].attention:
        rank = stats.spearmanr(pairs[0].attention[name], pairs[1].attention[name])
        found[f"spearman_{name}"] = float(rank.statistic)  # pyright: ignore[reportAttributeAccessIssue]
    crossed: Pairs = replace(pairs[0], attention=pairs[1].attention)
    within = agreement_table(crossed, n_resamples=1).filter(pairs="same_task", gradient="direction")
    return found | {f"auc_{name}": auc for name, auc in within.select("attention", "auc").iter_rows()}


def _last_values(home: Home, dataset: str) -> np.ndarray:
    """Leading singular values at the last checkpoint per layer of the language model, shape (n_rows, n_values).

    NaN in rows without a trajectory.
    """
    config = json.loads((read_base(home.stored("base_model", dataset)) / "config.json").read_text())
    values = read_values(home.stored("attention_trajectories", dataset)["attention_trajectories"], "values")
    return values[:, -1] / config["text_config"]["num_hidden_layers"]
