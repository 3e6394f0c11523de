"""``xmas run``, ``select``, ``plan`` and ``demo``: bring selections up to date, or say what that would take."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from xmas_assets.cli.datasets import add_toy
from xmas_assets.cli.options import (
    NO_BENCHMARKS,
    Benchmarks,
    Budgets,
    Changes,
    DatasetOrStudy,
    DryRun,
    ExcludeContaminated,
    Methods,
    Seeds,
    Workers,
    find_home,
    open_home,
)
from xmas_assets.cli.output import note, print_table, prints_tables
from xmas_assets.cli.plans import CalibrationFile, On, Price, Rows, print_costs
from xmas_assets.cli.results import print_leaderboard

if TYPE_CHECKING:
    from xmas_assets.contracts.artifacts import SelectionKey
    from xmas_assets.data.study_file import Study
    from xmas_assets.home.home import Home

app = typer.Typer()
_DEMO = "demo"
_TRAINED = {"proxy_checkpoints", "warmup_checkpoints", "difficulty_scores"}  # assets that train the base model
_SELECTING = ("selected_subset",)


@app.command()
@prints_tables
def run(
    dataset: DatasetOrStudy,
    method: Methods = None,
    budget: Budgets = None,
    seeds: Seeds = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Selections trained side by side; changes no result. Default: 1.")
    ] = None,
    benchmark: Benchmarks = NO_BENCHMARKS,
    exclude_contaminated: ExcludeContaminated = False,
    set: Changes = None,  # noqa: A002
    dry_run: DryRun = False,
) -> None:
    """Select, train and score: bring these selections, and what they depend on, up to date.

    Example: xmas run mine --method xmas --method random --method full --budget 0.2 --seeds 3
    """
    options = {"workers": workers, "benchmarks": benchmark, "exclude_contaminated": exclude_contaminated, "set": set}
    study = _study(dataset, method, budget, seeds, **options)
    if dry_run:
        _print_plan(study)
        return
    home = open_home()
    _edit_registration(home, study)
    _run(home, study)


@app.command()
def select(
    dataset: DatasetOrStudy,
    method: Methods = None,
    budget: Budgets = None,
    seeds: Seeds = None,
    exclude_contaminated: ExcludeContaminated = False,
    set: Changes = None,  # noqa: A002
) -> None:
    """Select only: no target model is trained.

    Example: xmas select mine --method xmas --budget 0.2
    """
    from xmas_assets.contracts.signals import stages_behind
    from xmas_assets.orchestration.platform import Platform
    from xmas_assets.orchestration.selection_runs import run_selections
    from xmas_assets.selection.registry import METHODS

    study = _study(dataset, method, budget, seeds, exclude_contaminated=exclude_contaminated, set=set)
    home = open_home()
    _edit_registration(home, study)
    keys = _keys(home, study)
    if any(_TRAINED & stages_behind(METHODS[key.method].needs) for key in keys):
        note_toy_model(home, study.dataset)
    run_selections(Platform.open(home), study.dataset, keys, stages=_SELECTING, say=note)
    for key in keys:
        rows = home.stored("selected_subset", f"{study.dataset}|{key}")["subset"].n_rows
        print(f"{key}  {rows:,} rows")


@app.command()
@prints_tables
def plan(
    dataset: DatasetOrStudy,
    method: Methods = None,
    budget: Budgets = None,
    seeds: Seeds = None,
    on: On = None,
    calibration: CalibrationFile = None,
    rows: Rows = None,
    price_per_hour: Price = None,
) -> None:
    """Say what xmas run would make, and how long each step takes by what it took before; nothing is made.

    With --on, or another option that follows it, say what all of it costs from nothing, and from where selection pays.

    Example: xmas plan mine --method xmas --budget 0.2 --seeds 3 --on 8xH100
    """
    study = _study(dataset, method, budget, seeds)
    if (on, calibration, rows, price_per_hour) == (None,) * 4:
        _print_plan(study)
        return
    home = find_home()
    keys = _keys(home, study, may_read=False, rows=rows)
    options = {"calibration": calibration, "rows": rows, "price": price_per_hour}
    print_costs(home, study.dataset, keys, on=on or "here", **options)


@app.command()
@prints_tables
def demo(workers: Workers = 2) -> None:
    """Toy dataset to leaderboard: xmas, xmas_distinct and random at 20 %, and full data, three seeds each.

    Example: xmas demo
    """
    home = open_home()
    if _DEMO not in home.datasets():
        add_toy(home, _DEMO)
    _run(home, _study(_DEMO, ["xmas", "xmas_distinct", "random", "full"], ["0.2"], 3, workers=workers))


def _study(
    source: str, methods: list[str] | None, budgets: list[str] | None, seeds: int | None, **options: Any
) -> "Study":
    """What the words of a command ask for, with what a file of a study says besides."""
    from xmas_assets.data.study_file import Study
    from xmas_assets.home.overrides import parse_settings

    changes = parse_settings(options.pop("set", None) or ())
    return Study.of(source, methods=methods, budgets=budgets, seeds=seeds, set=changes, **options)


def _keys(home: "Home", study: "Study", *, may_read: bool = True, rows: int | None = None) -> "list[SelectionKey]":
    """The selections of a study. Where a budget is a number of rows, the dataset is read for it first, if it may be."""
    from xmas_assets.orchestration.selection_runs import rows_read
    from xmas_assets.stages.subsets import selectable_rows, selection_keys

    def n_rows() -> int:
        if rows is not None:
            return rows
        if may_read:
            return rows_read(home, study.dataset, say=note)
        return selectable_rows(home, study.dataset)

    settings = home.settings(study.dataset).methods
    return selection_keys(
        study.methods,
        study.budgets,
        study.seeds,
        settings=settings,
        n_rows=n_rows,
    )


def _edit_registration(home: "Home", study: "Study") -> None:
    """Write into a dataset's registration what a study asks for from now on, and say so."""
    from xmas_assets.home.registration_edits import add_benchmarks, exclude_contaminated, override_settings

    dataset = study.dataset
    if new := add_benchmarks(home, dataset, study.benchmarks):
        note(f"{dataset} is scored on {', '.join(new)} from now on (see 'benchmarks' in its registration)")
    if study.exclude_contaminated and exclude_contaminated(home, dataset):
        note(
            f"contaminated rows of {dataset} are selected by no method from now on, full included (see "
            "'exclude_contaminated' in its registration)"
        )
    if override_settings(home, dataset, study.set):
        note(f"{', '.join(study.set)} set from now on (see 'overrides' in {home.registration_path(dataset)})")


def _print_plan(study: "Study") -> None:
    """Print the steps of a run of a study."""
    from xmas_assets.contracts.errors import SettingsError
    from xmas_assets.orchestration.plan import plan_selections
    from xmas_assets.orchestration.platform import Platform
    from xmas_assets.report.text import duration

    home = find_home()
    registration = home.registration(study.dataset)
    missing = [*study.set, *(name for name in study.benchmarks if name not in registration.benchmarks)]
    missing += ["exclude_contaminated"] * (study.exclude_contaminated and not registration.exclude_contaminated)
    if missing:
        raise SettingsError(f"a plan changes nothing, so it cannot take {missing[0]} into account; leave it out")
    steps = plan_selections(Platform.open(home), study.dataset, _keys(home, study, may_read=False))
    rows = [
        (step.asset, step.count, None if step.seconds is None else round(step.seconds, 1), step.measured or None)
        for step in steps
    ]
    print_table("steps", ("step", "how often", "seconds", "as measured on"), rows)
    known = [step.seconds for step in steps if step.seconds is not None]
    unknown = len(steps) - len(known)
    if not steps:
        note("nothing to make: all of it is up to date")
    elif unknown:
        note(f"{duration(sum(known))} as measured before; never measured here: {unknown} of {len(steps)} steps")
    else:
        note(f"{duration(sum(known))} as measured before")


def _run(home: "Home", study: "Study") -> None:
    keys = _keys(home, study)
    note_toy_model(home, study.dataset, sections=("base_model", "target_base"))
    from xmas_assets.orchestration.platform import Platform
    from xmas_assets.orchestration.selection_runs import run_selections

    run_selections(Platform.open(home), study.dataset, keys, workers=study.workers, say=note)
    print_leaderboard(home, study.dataset)


def note_toy_model(home: "Home", dataset: str, *, sections: tuple[str, ...] = ("base_model",)) -> None:
    """Say that a user's own data is run with the toy model, if one of these sections of the settings names it."""
    from xmas_assets.contracts.settings import TOY_MODEL

    settings = home.settings(dataset)
    toy = [section for section in sections if getattr(settings, section).source == TOY_MODEL]
    if toy and not home.is_toy(dataset):
        note(
            f"{dataset} is run with the toy model, which knows drawings of shapes only; name a model of your own as "
            f"{toy[0]} in {home.registration_path(dataset)}, or with: xmas dataset add --model"
        )
