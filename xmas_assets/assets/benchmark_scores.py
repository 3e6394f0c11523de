"""Asset ``benchmark_scores``: the target model's answers to the test questions, and their scores."""

import dagster as dg

from xmas_assets.assets.partitions import OWNERS, SELECTIONS, SETTINGS
from xmas_assets.contracts.artifacts import parse_partition
from xmas_assets.home.home import Home
from xmas_assets.home.records import held_out_questions
from xmas_assets.home.stored_tables import StoredTables, combine, read_base, read_checkpoints, stage_answers
from xmas_assets.report.describe import describe_answers
from xmas_assets.resources.lineage import scores_record
from xmas_assets.resources.outputs import emit
from xmas_assets.resources.progress import ProgressBar
from xmas_assets.resources.tracking import Tracking


@dg.asset(
    partitions_def=SELECTIONS,
    deps=[SETTINGS["benchmark"]],
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
    """One row per test question: the model's greedy answer, the reference and the score."""
    from xmas_assets.evaluation.runner import answer_questions
    from xmas_assets.vlm.loading import load_vlm

    dataset, _ = parse_partition(context.partition_key)
    settings = home.settings(dataset)
    key = combine(raw_dataset.version, target_model.version, settings.benchmark.digest())
    trained = read_checkpoints(target_model["checkpoints"], home.path())[-1]
    with home.stage("benchmark_scores", context.partition_key, key=key) as workspace:
        answers = answer_questions(
            load_vlm(trained.path, settings.target_base, base=read_base(target_base)),
            held_out_questions(raw_dataset),
            home.open_image(dataset),
            settings.benchmark,
            max_tokens=settings.target_base.max_tokens,
            progress=ProgressBar("questions", context.log, unit="question"),
        )
        staged = stage_answers(workspace, answers)
    run = scores_record(context, answers=staged["answers"].scan().collect(), trained=trained)
    return emit(staged, describe_answers(staged["answers"]) | tracking.record(run, log=context.log.warning))
