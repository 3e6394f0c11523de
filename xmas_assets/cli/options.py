"""The arguments and options that several commands share, how they are completed, and the home that commands open."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from xmas_assets.cli.output import note

if TYPE_CHECKING:
    from xmas_assets.home.home import Home


def open_home() -> "Home":
    """The home of this command, after a line that says where it is."""
    from xmas_assets.home.home import Home

    home = Home.open()
    note(f"XMAS_HOME {home.root}")
    return home


def dataset_names() -> list[str]:
    """Completions of a dataset."""
    from xmas_assets.home.home import Home

    return Home.locate().datasets()


def method_names() -> list[str]:
    """Completions of a method."""
    from xmas_assets.selection.registry import METHODS

    return list(METHODS)


def format_names() -> tuple[str, ...]:
    """Completions of a dataset's format."""
    from xmas_assets.data.registration import FORMATS

    return FORMATS


def duplicate_rules() -> tuple[str, ...]:
    """Completions of what is done with duplicates."""
    from xmas_assets.data.registration import DUPLICATE_RULES

    return DUPLICATE_RULES


def profile_names() -> list[str]:
    """Completions of a profile that comes with the package."""
    from xmas_assets.data.profiles import profile_names as packaged_names

    return packaged_names()


def benchmark_names() -> list[str]:
    """Completions of a registered benchmark."""
    from xmas_assets.home.home import Home

    return Home.locate().benchmarks.names()


def benchmark_forms() -> list[str]:
    """Completions of which benchmark official files are of."""
    from xmas_assets.evaluation.benchmarks.registry import BENCHMARKS

    return list(BENCHMARKS)


def query_names() -> list[str]:
    """Completions of a query that comes with the package."""
    from xmas_assets.store.database import query_names as stored_names

    return stored_names()


def selection_names(context: typer.Context) -> list[str]:
    """Completions of a selection key: those that the dataset has."""
    return [selection for selection, _ in _selections(context, "selected_subset")]


def method_budgets(context: typer.Context) -> list[str]:
    """Completions of METHOD@BUDGET: those that the dataset has scores of."""
    return list(dict.fromkeys(compared for _, compared in _selections(context, "benchmark_scores")))


def _selections(context: typer.Context, asset: str) -> Iterator[tuple[str, str]]:
    from xmas_assets.contracts.artifacts import parse_partition
    from xmas_assets.home.home import Home

    dataset = context.params.get("dataset")
    for partition in Home.locate().stored_partitions(asset, dataset) if dataset else []:
        _, key = parse_partition(partition)
        yield str(key), f"{key.method}@{key.budget_text}"


Dataset = Annotated[str, typer.Argument(help="Name of a registered dataset.", autocompletion=dataset_names)]
Selection = Annotated[
    str, typer.Argument(help="Selection key, for example xmas_b0.20_s0.", autocompletion=selection_names)
]
Methods = Annotated[
    list[str],
    typer.Option(
        "--method", help="A method that xmas methods lists; may be given several times.", autocompletion=method_names
    ),
]
Budgets = Annotated[
    list[str],
    typer.Option("--budget", help="Share of the rows, above 0 and at most 1; may be given several times."),
]
DEFAULT_BUDGETS = ["0.1"]
Seeds = Annotated[int, typer.Option(min=1, help="Seeds 0..N-1, of the selection and of the target's training.")]
Benchmarks = Annotated[
    list[str],
    typer.Option(
        "--benchmark",
        help="A registered benchmark that the dataset's targets are scored on; may be given several times.",
        autocompletion=benchmark_names,
    ),
]
NO_BENCHMARKS: list[str] = []
Workers = Annotated[int, typer.Option(min=1, help="Selections trained side by side; changes no result.")]
