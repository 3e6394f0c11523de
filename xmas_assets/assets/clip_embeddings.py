"""Asset ``clip_embeddings``: image and text of each row in one space, and how well they agree."""

import dagster as dg

from xmas_assets.assets.partitions import DATASETS, OWNERS, SETTINGS
from xmas_assets.home.home import Home
from xmas_assets.home.seen_models import note_model
from xmas_assets.home.stored_tables import StoredTables, stage
from xmas_assets.report.describe_signals import describe_signal
from xmas_assets.resources.outputs import emit
from xmas_assets.resources.progress import listen
from xmas_assets.scale.engine_of import engine_of
from xmas_assets.stages.row_work import embedding_work


@dg.asset(
    partitions_def=DATASETS,
    deps=[SETTINGS["clip"], SETTINGS["base_model"]],
    group_name="signals",
    kinds={"pytorch", "parquet"},
    owners=OWNERS,
    code_version="1",
)
def clip_embeddings(
    context: dg.AssetExecutionContext, home: dg.ResourceParam[Home], raw_dataset: StoredTables, base_model: StoredTables
) -> dg.Output:
    """Embeddings of images and text, unit length, and their cosine: float32 (n_samples, width); NaN without an image.

    By default the base model stands in for CLIP (setting clip.source): no download, and a rougher score.
    """
    dataset = context.partition_key
    settings = home.settings(dataset)
    work = embedding_work(home, dataset, raw_dataset, base_model)
    note_model(home, dataset, "clip")
    with home.stage("clip_embeddings", dataset, key=work.key) as workspace:
        table = work.make(engine_of(settings.workers), listen(context.log))
        staged = stage(workspace, table.named("clip_embeddings"), schemas={"clip_embeddings": table.schema})
    has_image = raw_dataset["samples"].column("n_images") > 0
    described = describe_signal(staged["clip_embeddings"], has_image=has_image, notices=table.notices)
    return emit(home, staged, described | {"made with": settings.clip.source})
