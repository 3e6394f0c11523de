"""Asset ``difficulty_scores``: how hard a score net, trained together with the model, found each row."""

import dagster as dg

from xmas_assets.assets.partitions import DATASETS, OWNERS, SETTINGS
from xmas_assets.home.home import Home
from xmas_assets.home.records import training_samples
from xmas_assets.home.stored_tables import StoredTables, combine, read_base
from xmas_assets.report.describe_signals import describe_signal
from xmas_assets.resources.outputs import emit
from xmas_assets.resources.pipes import ranks_of
from xmas_assets.resources.progress import ProgressBar
from xmas_assets.stages.annotations import stage_values


@dg.asset(
    partitions_def=DATASETS,
    deps=[SETTINGS["difficulty"], SETTINGS["base_model"]],
    group_name="signals",
    kinds={"pytorch", "transformers"},
    owners=OWNERS,
    code_version="1",
)
def difficulty_scores(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    raw_dataset: StoredTables,
    base_model: StoredTables,
    clip_embeddings: StoredTables,
) -> dg.Output:
    """Minus the weight that the score net gives a row's loss after training (Self-Filter): larger is harder."""
    from xmas_assets.report.describe import describe_training
    from xmas_assets.training.run_directory import read_record
    from xmas_assets.training.score_net import score_difficulty, score_features

    dataset = context.partition_key
    settings = home.settings(dataset)
    versions = (raw_dataset.version, base_model.version, clip_embeddings.version)
    decides = (settings.base_model.digest(), settings.difficulty.digest(), *settings.workers.ranks.identity)
    key = combine(*versions, *decides)
    table = clip_embeddings["clip_embeddings"]
    with home.stage("difficulty_scores", dataset, key=key) as workspace:
        difficulty = score_difficulty(
            base=read_base(base_model),
            base_settings=settings.base_model,
            samples=training_samples(raw_dataset),
            open_image=home.open_image(dataset),
            features=score_features(table.column("image"), table.column("text")),
            settings=settings.difficulty,
            output=workspace / "run",
            progress=ProgressBar("score net", context.log, unit="step"),
            feature_folder=home.features(),
            ranks=ranks_of(settings.workers, context),
        )
        staged = stage_values(workspace, "difficulty_scores", raw_dataset, difficulty=difficulty)
    has_image = raw_dataset["samples"].column("n_images") > 0
    described = describe_signal(staged["difficulty_scores"], has_image=has_image)
    return emit(home, staged, described | describe_training(read_record(workspace / "run")))
