"""Measure on a few rows of a dataset what its stages take on this machine, by running them there."""

import shutil
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.contracts.calibration import Calibration
from xmas_assets.contracts.errors import SettingsError
from xmas_assets.home.home import Home
from xmas_assets.orchestration.platform import Platform, open_instance
from xmas_assets.orchestration.selection_runs import SELECTION_STAGES, at_work, bring_up_to_date, run_selections
from xmas_assets.selection.registry import METHODS, assets_read
from xmas_assets.stages.calibrating import (
    Seen,
    measured_sizes,
    part_rows,
    rates_of,
    register_part,
    save_calibration,
    seen_stages,
    training_memory,
)
from xmas_assets.stages.rates import questions_of
from xmas_assets.stages.subsets import selectable_rows

_SMALL = 4  # the small part has a quarter of the rows
LEAST_ROWS = 64
_HALF = Decimal("0.5")


def calibrate(
    platform: Platform, dataset: str, methods: Sequence[str], *, n_rows: int, say: Callable[[str], None]
) -> tuple[Calibration, Path]:
    """Run the stages of some methods on two parts of a dataset, and keep a line through what each stage took.

    The dataset is read, and its models are fetched, as for any run; all else goes to a folder that is removed.

    Args:
        platform: Of the dataset's home.
        dataset: A registered dataset.
        methods: Whose stages are measured; training on everything always is.
        n_rows: Rows of the larger part.
        say: Receives a line per stage.

    Returns:
        What was measured, and the file that it is kept in.

    Raises:
        SettingsError: If there are fewer rows.
        RunFailedError: If a stage fails.
    """
    home = platform.home
    for asset in ("raw_dataset", "base_model", "target_base"):
        bring_up_to_date(platform, dataset, asset, say=say)
    if selectable_rows(home, dataset) < n_rows or n_rows < LEAST_ROWS:
        held = selectable_rows(home, dataset)
        raise SettingsError(f"--rows {n_rows} is not within {LEAST_ROWS}..{held}, the rows of {dataset}; give another")
    scratch = home.path("work", "calibration", dataset)
    sizes = (n_rows // _SMALL, n_rows // _SMALL, n_rows)  # the first is not counted: libraries start in it
    try:
        with at_work(platform, dataset):
            parts = [
                _measured(home, dataset, methods, n_rows=size, root=scratch / str(number), say=say)
                for number, size in enumerate(sizes)
            ]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        open_instance(home)  # the parts have set DAGSTER_HOME to their own
    rates = rates_of(parts[1], parts[2])
    memory = training_memory(home, dataset)
    stages = {name: rate.model_copy(update={"memory_gib": memory.get(name)}) for name, rate in rates.items()}
    data, base, target = measured_sizes(home, dataset)
    about = f"{dataset}: {sizes[1]} and {n_rows} rows"
    calibration = Calibration(about=about, data=data, base_model=base, target_base=target, stages=stages)
    return calibration, save_calibration(home, dataset, calibration)


def _measured(
    home: Home, dataset: str, methods: Sequence[str], *, n_rows: int, root: Path, say: Callable[[str], None]
) -> dict[str, Seen]:
    """What stages take of a part of a dataset."""
    say(f"measuring on {n_rows} rows")
    part = register_part(home, dataset, part_rows(home, dataset, n_rows), root)
    chosen = [method for method in methods if method != "full"]
    full = SelectionKey("full", Decimal(1), 0)
    keys = [*(SelectionKey(method, _HALF, 0) for method in chosen), full]
    platform = Platform.open(part)
    run_selections(platform, dataset, keys[:-1], stages=SELECTION_STAGES[:1], say=_nothing)
    stages = SELECTION_STAGES if questions_of(home, dataset) else SELECTION_STAGES[:2]
    run_selections(platform, dataset, [full], stages=stages, say=_nothing)
    behind = platform.links.behind(assets_read(method for method in methods if method in METHODS))
    return seen_stages(part, dataset, keys, [*behind, *stages])


def _nothing(_line: str) -> None:
    """Say nothing of a part's stages."""
