"""Targets scored by a program of another environment, and what came out tracked in MLflow."""

from collections.abc import Callable, Sequence

from xmas_assets.contracts.artifacts import SelectionKey, parse_partition
from xmas_assets.contracts.errors import StoreError
from xmas_assets.contracts.remedies import how_to_make
from xmas_assets.home.home import Home
from xmas_assets.resources.lineage import outside_record
from xmas_assets.resources.tracking import Tracking
from xmas_assets.stages.outside_scores import LmmsEval, score_by_lmms_eval, tasks_of


def run_lmms_eval(
    home: Home,
    dataset: str,
    how: LmmsEval,
    *,
    selections: Sequence[str] = (),
    tasks: Sequence[str] = (),
    say: Callable[[str], None],
) -> None:
    """Score targets of a dataset by lmms-eval, one after the other; what was scored before is not run again.

    Args:
        home: The platform's folder.
        dataset: A registered dataset.
        how: The environment of lmms-eval, and its settings.
        selections: Selection keys; none for all that a target was trained on.
        tasks: Of lmms-eval; none for those of the benchmarks that the dataset names.
        say: Receives a line per task.

    Raises:
        XmasError: As ``score_by_lmms_eval``; what was scored until then is stored.
    """
    tasks = list(dict.fromkeys(tasks)) or tasks_of(home, dataset)
    trained = home.stored_partitions("target_model", home.registration(dataset).name)
    keys = [SelectionKey.read(text) for text in selections] or [parse_partition(each)[1] for each in trained]
    if not keys:
        raise StoreError(
            f"no target of {dataset!r} has been trained yet; {how_to_make('target_model', dataset=dataset)}"
        )
    for key in dict.fromkeys(keys):
        tables = score_by_lmms_eval(home, dataset, key, tasks=tasks, how=how, say=say)
        Tracking(home=home).record(outside_record(dataset, key, tables), log=say)
