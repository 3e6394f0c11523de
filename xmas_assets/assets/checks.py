"""Blocking checks between stages: what must hold before anything is built on an asset."""

import warnings

import dagster as dg

from xmas_assets.assets.partitions import DATASETS, SELECTIONS
from xmas_assets.contracts.artifacts import parse_partition
from xmas_assets.report import verifying
from xmas_assets.resources.home import Home
from xmas_assets.resources.stored import StoredTables, read_trajectories
from xmas_assets.resources.subsets import stored

# Partitioned checks are a preview feature of the pinned Dagster; what they must do is covered by our tests.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)


@dg.asset_check(asset="raw_dataset", blocking=True, partitions_def=DATASETS)
def row_ledger(raw_dataset: StoredTables) -> dg.AssetCheckResult:
    """Rows in = rows out + quarantined, for every split."""
    return _result(verifying.check_ledger(raw_dataset))


@dg.asset_check(asset="raw_dataset", blocking=True, partitions_def=DATASETS)
def no_train_test_overlap(raw_dataset: StoredTables) -> dg.AssetCheckResult:
    """No test question (same pictures, same question) is also in training."""
    return _result(verifying.check_overlap(raw_dataset))


@dg.asset_check(asset="proxy_checkpoints", blocking=True, partitions_def=DATASETS)
def checkpoint_order(proxy_checkpoints: StoredTables) -> dg.AssetCheckResult:
    """Two or more checkpoints, of ascending steps and different weights."""
    return _result(verifying.check_checkpoints(proxy_checkpoints["checkpoints"]))


@dg.asset_check(asset="attention_trajectories", blocking=True, partitions_def=DATASETS)
def finite_trajectories(attention_trajectories: StoredTables) -> dg.AssetCheckResult:
    """Every value is finite and not negative, and rows with an image have attention."""
    return _result(verifying.check_trajectories(read_trajectories(attention_trajectories)))


@dg.asset_check(asset="clusters", blocking=True, partitions_def=DATASETS)
def label_range(clusters: StoredTables) -> dg.AssetCheckResult:
    """Labels are 0..K-1 with no empty cluster, and -1 for text-only rows alone."""
    return _result(verifying.check_labels(clusters))


@dg.asset_check(asset="selected_subset", blocking=True, partitions_def=SELECTIONS)
def exact_budget(
    context: dg.AssetCheckExecutionContext, home: Home, selected_subset: StoredTables
) -> dg.AssetCheckResult:
    """Exactly as many rows as the budget buys, ascending, unique, and from this dataset."""
    dataset, key = parse_partition(context.partition_key)
    samples = stored(home, "raw_dataset", dataset)["samples"]
    return _result(verifying.check_subset(selected_subset["subset"], samples, key.budget))


@dg.asset_check(asset="benchmark_scores", blocking=True, partitions_def=SELECTIONS)
def scores_in_range(benchmark_scores: StoredTables) -> dg.AssetCheckResult:
    """Every question answered once, and every score in 0..1."""
    return _result(verifying.check_answers(benchmark_scores["answers"]))


@dg.asset_check(asset="benchmark_scores", partitions_def=SELECTIONS)
def answers_not_empty(benchmark_scores: StoredTables) -> dg.AssetCheckResult:
    """Not all answers are empty; flagged only, since an untrained model may well say nothing."""
    return _result(verifying.check_speech(benchmark_scores["answers"]), severity=dg.AssetCheckSeverity.WARN)


CHECKS = [
    row_ledger,
    no_train_test_overlap,
    checkpoint_order,
    finite_trajectories,
    label_range,
    exact_budget,
    scores_in_range,
    answers_not_empty,
]


def _result(problems: list[str], severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=not problems, severity=severity, description="; ".join(problems) or None)
