"""What came out, and from what: ``xmas leaderboard``, ``compare``, ``export``, ``verify``, ``sql``, and two lists."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xmas_assets.cli.options import Dataset, Selection, format_names, method_budgets, open_home, query_names
from xmas_assets.cli.output import draw, is_drawn, note, print_frame, print_table

if TYPE_CHECKING:
    from xmas_assets.home.home import Home
    from xmas_assets.home.stored_tables import StoredTables

app = typer.Typer()


@app.command()
def leaderboard(
    dataset: Dataset,
    published: Annotated[
        bool, typer.Option("--published", help="Then print what papers report, in a table of its own.")
    ] = False,
) -> None:
    """Print score, Rel%, interval and cost per method and budget, and where the report is.

    Example: xmas leaderboard mine
    """
    home = open_home()
    print_leaderboard(home, dataset)
    if published:
        _print_published(home, dataset)


@app.command()
def compare(
    dataset: Dataset,
    first: Annotated[str, typer.Argument(help="METHOD@BUDGET, for example xmas@0.20.", autocompletion=method_budgets)],
    second: Annotated[
        str, typer.Argument(help="METHOD@BUDGET, for example random@0.20.", autocompletion=method_budgets)
    ],
) -> None:
    """Compare two methods on the same seeds and questions: the difference with its interval, per task too.

    Example: xmas compare mine xmas@0.20 random@0.20
    """
    from xmas_assets.evaluation.leaderboard import compare_selections
    from xmas_assets.stages.publishing import scored_answers

    home = open_home()
    answers = scored_answers(home, home.registration(dataset).name)
    print_frame(compare_selections(answers, _method_budget(first), _method_budget(second)))


@app.command()
def export(
    dataset: Dataset,
    selection: Selection,
    to: Annotated[
        Path, typer.Option(help="File to write, .json, .jsonl or .parquet; its manifest is written next to it.")
    ],
    format: Annotated[  # noqa: A002
        str | None, typer.Option(help="Write the records anew, as this format.", autocompletion=format_names)
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is no earlier export; never an input.")
    ] = False,
) -> None:
    """Write a subset's original records, unchanged and in order, with the manifest to replay it.

    Example: xmas export mine xmas_b0.20_s0 --to subset.json
    """
    from xmas_assets.contracts.artifacts import SelectionKey
    from xmas_assets.stages.exporting import export_selection

    manifest, written = export_selection(
        open_home(), dataset, SelectionKey.parse(selection), to=to, file_format=format, force=force
    )
    print(f"{manifest.n_selected:,} records in {to}, manifest in {written}")


@app.command()
def verify(manifest: Annotated[Path, typer.Argument(help="A *.manifest.json.")]) -> None:
    """Replay a manifest's selection and check that the same rows come out; names signals and libraries that differ.

    Example: xmas verify subset.manifest.json
    """
    from xmas_assets.contracts.manifest import Manifest
    from xmas_assets.stages.verification import verify as verify_manifest

    home = open_home()
    print(f"verified: {verify_manifest(home, Manifest.read(manifest))}")


@app.command()
def sql(
    statement: Annotated[
        str | None, typer.Argument(help="One SELECT, unless --query is given; SHOW ALL TABLES lists what there is.")
    ] = None,
    query: Annotated[
        str | None, typer.Option(help="A query that comes with xmas, by its name.", autocompletion=query_names)
    ] = None,
    set: Annotated[  # noqa: A002
        list[str] | None, typer.Option(help="NAME=VALUE of a parameter of the query; may be given several times.")
    ] = None,
) -> None:
    """Query all stored tables with DuckDB, read-only.

    Example: xmas sql --query cluster_sizes --set dataset=mine
    """
    from xmas_assets.contracts.errors import SettingsError
    from xmas_assets.store import database

    if (statement is None) == (query is None):
        raise SettingsError(f"give either one SELECT, or --query with one of {', '.join(query_names())}")
    parameters = dict(_name_value(text) for text in set or [])
    with database.connect(open_home().tables()) as connection:
        if query is not None:
            print_frame(database.run_query(connection, query, **parameters))
        else:
            print_frame(database.query(connection, statement or "", parameters))


@app.command()
def methods(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
) -> None:
    """List the selection methods: paper, what each needs, cost, parameters.

    Example: xmas methods
    """
    from xmas_assets.selection.registry import METHODS, method_table, parameters_of, requirements_of

    if markdown:
        print(method_table())
        return
    rows = [
        (name, method.paper, ", ".join(sorted(method.needs)) or "-", method.cost, "yes" if method.nested else "no")
        for name, method in METHODS.items()
    ]
    print_table(("method", "paper", "needs", "cost", "nested"), rows)
    print("")
    for name, method in METHODS.items():
        for parameter in parameters_of(method):
            print(f"{name}: {parameter}")
    print(*requirements_of(METHODS), sep="\n")
    for problem in METHODS.problems().values():
        note(problem)


@app.command()
def profiles() -> None:
    """List the packaged profiles: models, the card they are meant for, the most memory that training takes, source.

    Example: xmas profiles
    """
    from xmas_assets.data.profiles import PROFILE_COLUMNS, profile_rows

    print_table(PROFILE_COLUMNS, profile_rows())


def print_leaderboard(home: "Home", dataset: str) -> None:
    """Print the stored leaderboard: drawn with intervals on a terminal, else as the table with every column."""
    from xmas_assets.report.tables import leaderboard_notes, render_text, task_notes
    from xmas_assets.report.verdict import verdict

    tables = home.stored("leaderboard", home.registration(dataset).name)
    board = tables["leaderboard"].frame()
    if "comparable" not in board.columns:
        print_frame(board)
        note("This leaderboard was made by an earlier version; the next xmas run brings it up to date.")
        return
    for sentence in verdict(board):
        note(sentence)
    if is_drawn():
        draw(render_text(board, title=f"Leaderboard of {dataset}"))
    else:
        print_frame(board)
        for line in leaderboard_notes(board):
            note(line)
    for line in task_notes(tables["per_task"].frame()):
        note(line)
    _print_benchmarks(tables)
    note(f"Report: {home.report(dataset)}")
    note("Open the UI: xmas ui")


def _print_benchmarks(tables: "StoredTables") -> None:
    """Print what the targets reach on benchmarks, if they were asked any."""
    from xmas_assets.report.comparison import benchmark_sentences, benchmark_tables
    from xmas_assets.stages.comparison import COMPARED

    compared = {name: tables[name].frame() for name in COMPARED if name in tables}
    for sentence in benchmark_sentences(compared):
        note(sentence)
    if not is_drawn():
        for name in compared:
            print("")
            print_frame(compared[name])
        return
    for title, (headings, *rows) in benchmark_tables(compared).items():
        note(title)
        print_table(headings, rows)


def _print_published(home: "Home", dataset: str) -> None:
    """Print published Rel% as a table of its own; its last column is the own number of the same method and budget."""
    from xmas_assets.evaluation.published_results import NOTE, beside_own

    board = home.stored("leaderboard", home.registration(dataset).name)["leaderboard"].frame()
    rows = [
        (
            f"{row['paper']}, arXiv {row['arxiv']}, {row['place']}",
            row["method"],
            row["data"],
            row["model"],
            row["n_benchmarks"],
            row["budget"],
            f"{row['bound'] or ''} {row['rel_percent']:.1f}".strip(),
            row["own_rel_percent"],
        )
        for row in beside_own(board).iter_rows(named=True)
    ]
    print("")
    print_table(("published in", "method", "data", "model", "benchmarks", "budget", "Rel %", f"on {dataset}"), rows)
    note(NOTE)


def _method_budget(text: str) -> tuple[str, str]:
    from xmas_assets.contracts.artifacts import SelectionKey
    from xmas_assets.contracts.errors import SettingsError

    method, _, budget = text.partition("@")
    if not budget:
        raise SettingsError(f"{text!r} is not understood; write METHOD@BUDGET, for example xmas@0.20")
    return method, SelectionKey.make(method, budget, 0).budget_text


def _name_value(text: str) -> tuple[str, str]:
    from xmas_assets.contracts.errors import SettingsError

    name, separator, value = text.partition("=")
    if not (name.isidentifier() and separator):
        raise SettingsError(f"--set {text!r} is not understood; write NAME=VALUE, for example dataset=mine")
    return name, value
