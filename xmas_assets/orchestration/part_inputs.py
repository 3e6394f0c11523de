"""What the parts of a stage's shards are read from, made once before them."""

from collections.abc import Callable, Sequence

from xmas_assets.home.home import Home
from xmas_assets.orchestration.platform import Platform
from xmas_assets.orchestration.selection_runs import SELECTION_STAGES, bring_up_to_date, run_selections
from xmas_assets.stages.benchmarks import benchmark_items
from xmas_assets.stages.image_work import IMAGE_STAGES, list_images
from xmas_assets.stages.parts import inputs_of, keys_of


def make_inputs(
    home: Home, dataset: str, stages: Sequence[str], *, selections: Sequence[str], say: Callable[[str], None]
) -> None:
    """Bring up to date what the shards of some stages are read from; no shard is made.

    Args:
        home: The platform's folder.
        dataset: A registered dataset.
        stages: As of ``make_part``.
        selections: Where targets are asked, keys of the selections that they are trained on; none for all there are.
        say: Receives a line per stage.

    Raises:
        XmasError: As ``keys_of``.
        RunFailedError: If a stage fails.
    """
    assets, keys = inputs_of(home, dataset, stages), keys_of(home, dataset, stages, selections, made="selected_subset")
    for stage in dict.fromkeys(stages):
        if stage in IMAGE_STAGES:
            say(list_images(home, dataset, stage))
    if not assets and not keys:
        return
    platform = Platform.open(home)
    for asset in assets:
        bring_up_to_date(platform, dataset, asset, say=say)
    if keys:
        run_selections(platform, dataset, keys, stages=SELECTION_STAGES[:2], say=say)
        for name in home.registration(dataset).benchmarks:
            benchmark_items(home, name)
