"""The arguments and options that several commands share, how they are completed, and the home that commands open."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from xmas_assets.cli.output import note

if TYPE_CHECKING:
    from xmas_assets.home.home import Home

_OPENED: "list[Home]" = []


def open_home() -> "Home":
    """The home of this command, after a line that says where it is."""
    from xmas_assets.home.home import Home

    home = Home.open()
    note(f"XMAS_HOME {home.place}")
    _OPENED.append(home)
    return home


def share_notes() -> None:
    """Let other machines see the registrations that this command changed, where its home is in an object store."""
    for home in _OPENED:
        if home.copy:
            home.copy.share_notes()


def find_home() -> "Home":
    """The home of a command that only looks, after a line that says where it is: it is not made."""
    from xmas_assets.home.home import Home, home_address

    if home_address():
        return open_home()  # what others published is to be seen
    home = Home.locate()
    home.check_root()
    note(f"XMAS_HOME {home.root}" + ("" if home.root.exists() else " (not there yet)"))
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


def tool_names() -> list[str]:
    """Completions of a program that a subset is written for."""
    from xmas_assets.data.trainers.registry import TOOLS

    return list(TOOLS)


def image_file_ways() -> tuple[str, ...]:
    """Completions of what happens to the pictures' files."""
    from xmas_assets.data.trainers.pictures import IMAGE_FILES

    return IMAGE_FILES


def path_kinds() -> tuple[str, ...]:
    """Completions of how rows name their pictures."""
    from xmas_assets.data.trainers.pictures import PATHS

    return PATHS


def duplicate_rules() -> tuple[str, ...]:
    """Completions of what is done with duplicates."""
    from xmas_assets.data.registration import DUPLICATE_RULES

    return DUPLICATE_RULES


def task_rules() -> tuple[str, ...]:
    """Completions of where tasks may come from."""
    from xmas_assets.data.registration import TASK_RULES

    return TASK_RULES


def refusal_reasons() -> list[str]:
    """Completions of why a record is refused."""
    from xmas_assets.contracts.samples import Reason

    return [reason.value for reason in Reason]


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


def shared_kinds() -> list[str]:
    """Completions of what a training row can share with a benchmark."""
    from xmas_assets.contracts.contamination import KINDS

    return list(KINDS)


def outside_runners() -> tuple[str, ...]:
    """Completions of a program that scores targets in place of us."""
    return ("lmms-eval",)


def query_names() -> list[str]:
    """Completions of a query that comes with the package."""
    from xmas_assets.store.database import query_names as stored_names

    return stored_names()


def result_formats() -> tuple[str, ...]:
    """Completions of what a query's result is written as."""
    from xmas_assets.store.result_files import RESULT_FORMATS

    return RESULT_FORMATS


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
DatasetOrStudy = Annotated[
    str,
    typer.Argument(
        metavar="DATASET",
        help="Name of a registered dataset; or a .yaml file with dataset, methods, budgets and seeds.",
        autocompletion=dataset_names,
    ),
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        help="A method that xmas methods lists; may be given several times. At least one, here or in the file.",
        autocompletion=method_names,
    ),
]
Budgets = Annotated[
    list[str] | None,
    typer.Option(
        "--budget", help="Share of the rows, as 0.2 or 20%, or a number of rows; several times. Default: 0.1."
    ),
]
Seeds = Annotated[
    int | None, typer.Option(min=1, help="Seeds 0..N-1, of the selection and of the target's training. Default: 1.")
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="NAME=VALUE of a setting, such as proxy.epochs=2, written into the registration; several times.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be made and how long it takes; make nothing.")]
Benchmarks = Annotated[
    list[str],
    typer.Option(
        "--benchmark",
        help="A registered benchmark that the dataset's targets are scored on; may be given several times.",
        autocompletion=benchmark_names,
    ),
]
NO_BENCHMARKS: list[str] = []
ExcludeContaminated = Annotated[
    bool,
    typer.Option(
        "--exclude-contaminated",
        help="From now on select no row that shares a picture or a whole question with what targets are scored on.",
    ),
]
Workers = Annotated[int, typer.Option(min=1, help="Selections trained side by side; changes no result.")]
