"""Asset ``benchmark_scores``: the target model's answers to test questions and benchmarks, and their scores."""

import dagster as dg

from xmas_assets.assets.partitions import OWNERS, SELECTIONS, SETTINGS
from xmas_assets.contracts.artifacts import parse_partition
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import StoredTables, combine
from xmas_assets.home.versions import BENCHMARKS, benchmarks_version
from xmas_assets.report.describe import describe_answers
from xmas_assets.resources.lineage import scores_record
from xmas_assets.resources.outputs import emit
from xmas_assets.resources.progress import ProgressBar
from xmas_assets.resources.tracking import Tracking
from xmas_assets.scale.engine_of import engine_of
from xmas_assets.stages.answering import answering_metrics
from xmas_assets.stages.asking import Target
from xmas_assets.stages.scores import stage_answers


@dg.asset(
    partitions_def=SELECTIONS,
    deps=[SETTINGS["benchmark"], SETTINGS[BENCHMARKS]],
    group_name="evaluation",
    kinds={"pytorch", "mlflow"},
    owners=OWNERS,
    code_version="1",
)
def benchmark_scores(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    tracking: Tracking,
    raw_dataset: StoredTables,
    target_base: StoredTables,
    target_model: StoredTables,
) -> dg.Output:
    """One row per test question and benchmark item: the model's greedy answer and its score."""
    dataset, _ = parse_partition(context.partition_key)
    settings, benchmarks = home.settings(dataset), benchmarks_version(home, home.registration(dataset).benchmarks)
    key = combine(raw_dataset.version, target_model.version, settings.benchmark.digest(), benchmarks)
    target = Target.stored(target_model, target_base, settings.target_base, root=home.path())

    def progress_of(what: str) -> ProgressBar:
        return ProgressBar(what, context.log, unit="question")

    with home.stage("benchmark_scores", context.partition_key, key=key) as workspace:
        asking = {"target": target, "progress_of": progress_of, "engine": engine_of(settings.workers)}
        staged = stage_answers(workspace, home, dataset, raw_dataset, **asking)
    answers, more = staged["answers"].scan().collect(), answering_metrics(staged)
    run = scores_record(context, answers=answers, trained=target.checkpoint, more=more)
    return emit(home, staged, describe_answers(staged["answers"]) | tracking.record(run, log=context.log.warning))
