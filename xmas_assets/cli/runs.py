"""``xmas run``, ``select``, ``status`` and ``demo``: bring selections up to date, and say what is."""

from typing import TYPE_CHECKING, Annotated

import typer

from xmas_assets.cli.datasets import add_toy
from xmas_assets.cli.options import (
    DEFAULT_BUDGETS,
    NO_BENCHMARKS,
    Benchmarks,
    Budgets,
    Dataset,
    Methods,
    Seeds,
    Workers,
    dataset_names,
    open_home,
)
from xmas_assets.cli.output import note, print_table
from xmas_assets.cli.results import print_leaderboard

if TYPE_CHECKING:
    from xmas_assets.home.home import Home

app = typer.Typer()
_DEMO = "demo"
_TRAINED = {"proxy_checkpoints", "warmup_checkpoints", "difficulty_scores"}  # assets that train the base model


@app.command()
def run(
    dataset: Dataset,
    method: Methods,
    budget: Budgets = DEFAULT_BUDGETS,
    seeds: Seeds = 1,
    workers: Workers = 1,
    benchmark: Benchmarks = NO_BENCHMARKS,
) -> None:
    """Select, train and score: bring these selections, and what they depend on, up to date.

    Example: xmas run mine --method xmas --method random --method full --budget 0.2 --seeds 3
    """
    home = open_home()
    new = home.add_benchmarks(dataset, benchmark)
    if new:
        note(f"{dataset} is scored on {', '.join(new)} from now on (see 'benchmarks' in its registration)")
    _run(home, dataset, methods=method, budgets=budget, seeds=seeds, workers=workers)


@app.command()
def select(dataset: Dataset, method: Methods, budget: Budgets = DEFAULT_BUDGETS, seeds: Seeds = 1) -> None:
    """Select only: no target model is trained.

    Example: xmas select mine --method xmas --budget 0.2
    """
    from xmas_assets.contracts.signals import stages_behind
    from xmas_assets.orchestration.platform import Platform
    from xmas_assets.orchestration.selection_runs import run_selections
    from xmas_assets.selection.registry import METHODS
    from xmas_assets.stages.subsets import selection_keys

    home = open_home()
    keys = selection_keys(method, budget, seeds, settings=home.settings(dataset).methods)
    if any(_TRAINED & stages_behind(METHODS[key.method].needs) for key in keys):
        note_toy_model(home, dataset)
    run_selections(Platform.open(home), dataset, keys, stages=("selected_subset",), say=note)
    for key in keys:
        print(f"{key}  {home.stored('selected_subset', f'{dataset}|{key}')['subset'].n_rows:,} rows")


@app.command()
def status(
    dataset: Annotated[
        str | None, typer.Argument(help="One dataset; default all.", autocompletion=dataset_names)
    ] = None,
) -> None:
    """Say what is made, what is stale and what is missing.

    Example: xmas status mine
    """
    home = open_home()
    names = home.datasets() if dataset is None else [home.registration(dataset).name]
    from xmas_assets.orchestration.platform import Platform

    platform = Platform.open(home)
    states = ("FRESH", "STALE", "MISSING")
    rows: list[tuple[object, ...]] = []
    for name in names:
        platform.observe(name)
        for asset, counts in platform.freshness().counts(name).items():
            rows.append((name, asset, *(counts[state] for state in states)))
    print_table(("dataset", "asset", *map(str.lower, states)), rows)


@app.command()
def demo(workers: Workers = 2) -> None:
    """Toy dataset to leaderboard: xmas, random and full data, two budgets, three seeds.

    Example: xmas demo
    """
    home = open_home()
    if _DEMO not in home.datasets():
        add_toy(home, _DEMO)
    _run(home, _DEMO, methods=["xmas", "random", "full"], budgets=["0.05", "0.2"], seeds=3, workers=workers)


def _run(home: "Home", dataset: str, *, methods: list[str], budgets: list[str], seeds: int, workers: int) -> None:
    from xmas_assets.stages.subsets import selection_keys

    settings = home.settings(dataset)
    keys = selection_keys(methods, budgets, seeds, settings=settings.methods)
    note_toy_model(home, dataset, sections=("base_model", "target_base"))
    from xmas_assets.orchestration.platform import Platform
    from xmas_assets.orchestration.selection_runs import run_selections

    run_selections(Platform.open(home), dataset, keys, workers=workers, say=note)
    print_leaderboard(home, dataset)


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
