"""The ``xmas`` command: a thin face over the same assets, on the same instance, as the Dagster UI."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from xmas_assets.cli import commands, dataset_commands
from xmas_assets.contracts.errors import XmasError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Choose a smaller fine-tuning set for a vision-language model, and prove that it trains as well.",
)
dataset_app = typer.Typer(no_args_is_help=True, help="Register, list, show and remove datasets.")
app.add_typer(dataset_app, name="dataset")

Dataset = Annotated[str, typer.Argument(help="Name of a registered dataset.")]
Methods = Annotated[list[str], typer.Option("--method", help="Selection method; may be given several times.")]
Budgets = Annotated[list[str], typer.Option("--budget", help="Share of the rows, such as 0.05; several times.")]
_DEFAULT_BUDGETS = ["0.1"]
_NO_FILES: list[Path] = []
Seeds = Annotated[int, typer.Option(min=1, help="Seeds 0..N-1: of the selection and of the target's training.")]
Workers = Annotated[int, typer.Option(min=1, help="Selections trained side by side; changes no result.")]


@app.callback()
def _start(context: typer.Context) -> None:
    if context.invoked_subcommand is not None and "--help" not in sys.argv:
        commands.announce_home()


@dataset_app.command("add")
def dataset_add(
    name: Annotated[str, typer.Argument(help="New name: a-z, 0-9, '_', '-', '.'.")],
    annotations: Annotated[list[Path], typer.Option(help="Annotation file; several times for shards.")] = _NO_FILES,
    test: Annotated[list[Path], typer.Option(help="Held-out records to score on.")] = _NO_FILES,
    validation: Annotated[list[Path], typer.Option(help="Records of target tasks, for less and icons.")] = _NO_FILES,
    images: Annotated[Path | None, typer.Option(help="Folder that image references are relative to.")] = None,
    format: Annotated[str | None, typer.Option(help="llava_json, llava_jsonl, sharegpt or parquet.")] = None,  # noqa: A002
    profile: Annotated[str, typer.Option(help="Packaged profile, or path of a YAML file.")] = "tiny",
    duplicates: Annotated[str, typer.Option(help="keep, or quarantine, for repeated id and content.")] = "keep",
    embedded: Annotated[bool, typer.Option(help="Generate the embedded dataset instead of reading files.")] = False,
) -> None:
    """Register a dataset: writes XMAS_HOME/datasets/NAME.yaml, which you may edit."""
    dataset_commands.add_dataset(
        name,
        annotations=annotations,
        test=test,
        validation=validation,
        images=images,
        format=format,
        profile=profile,
        duplicates=duplicates,
        embedded=embedded,
    )


@dataset_app.command("list")
def dataset_list() -> None:
    """List registered datasets."""
    dataset_commands.list_datasets()


@dataset_app.command("show")
def dataset_show(name: Dataset) -> None:
    """Show a dataset's registration, its rows and what was quarantined."""
    dataset_commands.show_dataset(name)


@dataset_app.command("remove")
def dataset_remove(
    name: Dataset,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Forget a dataset: its registration and stored tables; never the source files."""
    if not yes:
        typer.confirm(f"Remove the registration and all stored tables of {name}?", abort=True)
    dataset_commands.remove_dataset(name)


@app.command()
def run(
    dataset: Dataset,
    method: Methods,
    budget: Budgets = _DEFAULT_BUDGETS,
    seeds: Seeds = 1,
    workers: Workers = 1,
) -> None:
    """Select, train and score: bring these selections, and what they stand on, up to date."""
    commands.run(dataset, methods=method, budgets=budget, seeds=seeds, workers=workers)


@app.command()
def select(dataset: Dataset, method: Methods, budget: Budgets = _DEFAULT_BUDGETS, seeds: Seeds = 1) -> None:
    """Select only: no target model is trained."""
    commands.run(dataset, methods=method, budgets=budget, seeds=seeds, workers=1, stages=("selected_subset",))


@app.command()
def leaderboard(dataset: Dataset) -> None:
    """Print score, Rel%, interval and cost per method and budget, and where the report is."""
    commands.show_leaderboard(dataset)


@app.command()
def compare(
    dataset: Dataset,
    first: Annotated[str, typer.Argument(help="METHOD@BUDGET, for example xmas@0.20.")],
    second: Annotated[str, typer.Argument(help="METHOD@BUDGET, for example random@0.20.")],
) -> None:
    """Compare two methods on the same seeds and questions: the difference with its interval, per task too."""
    commands.compare(dataset, first, second)


@app.command()
def theory(dataset: Dataset) -> None:
    """Check on your own rows whether similar attention goes with similar gradients; reads both if need be."""
    commands.check_theory(dataset)


@app.command()
def advise(dataset: Dataset) -> None:
    """Measure how much a dataset repeats itself, without any training."""
    commands.advise(dataset)


@app.command()
def export(
    dataset: Dataset,
    selection: Annotated[str, typer.Argument(help="Selection key, for example xmas_b0.20_s0.")],
    to: Annotated[
        Path, typer.Option(help="File to write, .json, .jsonl or .parquet; its manifest is written next to it.")
    ],
    format: Annotated[str | None, typer.Option(help="Write the records anew, as this format.")] = None,  # noqa: A002
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is no earlier export; never an input.")
    ] = False,
) -> None:
    """Write a subset's original records, unchanged and in order, with the manifest to replay it."""
    commands.export(dataset, selection, to=to, format=format, force=force)


@app.command()
def verify(manifest: Annotated[Path, typer.Argument(help="A *.manifest.json.")]) -> None:
    """Replay a manifest's selection and check that the same rows come out."""
    commands.verify(manifest)


@app.command()
def sql(query: Annotated[str, typer.Argument(help="One SELECT; SHOW TABLES lists what there is.")]) -> None:
    """Query all stored tables with DuckDB, read-only."""
    commands.sql(query)


@app.command()
def status(dataset: Annotated[str | None, typer.Argument(help="One dataset; default all.")] = None) -> None:
    """Say what is made, what is stale and what is missing."""
    commands.status(dataset)


@app.command()
def methods(markdown: Annotated[bool, typer.Option(help="Print the table as the README has it.")] = False) -> None:
    """List the selection methods: paper, what each needs, cost, parameters."""
    commands.list_methods(markdown=markdown)


@app.command()
def doctor() -> None:
    """Say what is missing on this machine, and how to mend it."""
    raise typer.Exit(commands.doctor())


@app.command()
def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the Dagster UI.")] = 3000,
    mlflow_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the MLflow UI.")] = 5000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    allow_remote: Annotated[bool, typer.Option(help="Allow an address that others can reach (no login!).")] = False,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="Name under which a proxy serves the UIs; may be given several times.")
    ] = None,
) -> None:
    """Open the Dagster UI and the MLflow UI on this home; Ctrl-C ends both."""
    commands.serve(
        host=host, port=port, mlflow_port=mlflow_port, allow_remote=allow_remote, allowed_hosts=allow_host or []
    )


@app.command()
def demo(workers: Workers = 2) -> None:
    """Embedded dataset to leaderboard: xmas, random and full data, two budgets, three seeds."""
    commands.demo(workers=workers)


def main() -> None:
    """Run the command; a user's mistake is one line and exit code 2."""
    try:
        app()
    except XmasError as error:
        Console(stderr=True).print(f"xmas: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
