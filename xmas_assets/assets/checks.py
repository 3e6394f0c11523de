"""Blocking checks between stages: what must hold before anything is built on an asset."""

import warnings

import dagster as dg

from xmas_assets.assets.partitions import DATASETS, SELECTIONS
from xmas_assets.checks import tables as verifying
from xmas_assets.checks.signals import (
    check_gradients,
    check_lengths,
    check_ratings,
    check_signal,
    check_spectra,
    check_tags,
)
from xmas_assets.contracts.artifacts import parse_partition
from xmas_assets.contracts.signals import READ_IN_ONE_PASS
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables, read_values
from xmas_assets.stages.subsets import read_exclusion

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
def descending_spectra(attention_trajectories: StoredTables) -> dg.AssetCheckResult:
    """Singular values are descending and not negative, and a row that has any attends to its image."""
    table = attention_trajectories["attention_trajectories"]
    return _result(check_spectra(read_values(table, "values")))


def _finite_signal(asset: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset, name="finite_signal", blocking=True, partitions_def=DATASETS)
    def check(context: dg.AssetCheckExecutionContext, home: dg.ResourceParam[Home]) -> dg.AssetCheckResult:
        """No infinity, and no row of which only a part is a number."""
        return _result(check_signal(home.stored(asset, context.partition_key)[asset]))

    return check


@dg.asset_check(asset="text_lengths", blocking=True, partitions_def=DATASETS)
def answers_not_without_tokens(text_lengths: StoredTables) -> dg.AssetCheckResult:
    """Every row has an answer token."""
    return _result(check_lengths(text_lengths["text_lengths"]))


@dg.asset_check(asset="tags", blocking=True, partitions_def=DATASETS)
def every_row_has_tags_or_a_reason(
    context: dg.AssetCheckExecutionContext, home: dg.ResourceParam[Home], tags: StoredTables
) -> dg.AssetCheckResult:
    """One entry for every row of the dataset, and some row has a tag."""
    return _result(check_tags(tags["tags"], home.stored("raw_dataset", context.partition_key)["samples"]))


@dg.asset_check(asset="quality_ratings", blocking=True, partitions_def=DATASETS)
def several_ratings(quality_ratings: StoredTables) -> dg.AssetCheckResult:
    """Not all subsets are rated alike."""
    return _result(check_ratings(quality_ratings["quality_ratings"]))


@dg.asset_check(asset="warmup_checkpoints", blocking=True, partitions_def=DATASETS)
def warmup_order(warmup_checkpoints: StoredTables) -> dg.AssetCheckResult:
    """Checkpoints of ascending steps, each with the mean learning rate that led to it."""
    return _result(verifying.check_warmup(warmup_checkpoints["checkpoints"]))


def _finite_gradients(asset: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset, name=f"finite_{asset}", blocking=True, partitions_def=DATASETS)
    def check(context: dg.AssetCheckExecutionContext, home: dg.ResourceParam[Home]) -> dg.AssetCheckResult:
        """No infinity, and a gradient in some row at least."""
        return _result(check_gradients(home.stored(asset, context.partition_key)[asset]))

    return check


@dg.asset_check(asset="validation_samples", blocking=True, partitions_def=DATASETS)
def no_validation_overlap(
    context: dg.AssetCheckExecutionContext, home: dg.ResourceParam[Home], validation_samples: StoredTables
) -> dg.AssetCheckResult:
    """No validation record (same pictures, same question) is also in training or test, and the ledger adds up."""
    raw = home.stored("raw_dataset", context.partition_key)
    return _result(verifying.check_validation(validation_samples, raw))


@dg.asset_check(asset="clusters", blocking=True, partitions_def=DATASETS)
def label_range(clusters: StoredTables) -> dg.AssetCheckResult:
    """Labels are 0..K-1 with no empty cluster, and -1 for text-only rows alone."""
    return _result(verifying.check_labels(clusters))


@dg.asset_check(asset="selected_subset", blocking=True, partitions_def=SELECTIONS)
def exact_budget(context: dg.AssetCheckExecutionContext, home: dg.ResourceParam[Home]) -> dg.AssetCheckResult:
    """Exactly as many rows as the budget buys, ascending, unique, and from this dataset."""
    dataset, key = parse_partition(context.partition_key)
    stored = home.stored("selected_subset", context.partition_key)
    samples, excluded = home.stored("raw_dataset", dataset)["samples"], read_exclusion(stored)
    n_excluded = excluded.n_rows if excluded else 0
    return _result(verifying.check_subset(stored["subset"], samples, key.budget, n_excluded=n_excluded))


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
    descending_spectra,
    *(_finite_signal(asset) for asset in READ_IN_ONE_PASS),
    *map(_finite_signal, ("clip_embeddings", "difficulty_scores", "quality_indicators")),
    answers_not_without_tokens,
    every_row_has_tags_or_a_reason,
    several_ratings,
    warmup_order,
    *map(_finite_gradients, ("gradients", "adam_gradients", "validation_gradients")),
    no_validation_overlap,
    label_range,
    exact_budget,
    scores_in_range,
    answers_not_empty,
]


def _result(problems: list[str], severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=not problems, severity=severity, description="; ".join(problems) or None)
