"""What came out, and from what: ``xmas leaderboard``, ``compare``, ``costs``, ``verify``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xmas_assets.cli.benchmark_runs import print_outside_scores
from xmas_assets.cli.options import Dataset, find_home, method_budgets
from xmas_assets.cli.output import (
    draw,
    is_drawn,
    note,
    print_frame,
    print_gap,
    print_table,
    print_text,
    prints_tables,
)

if TYPE_CHECKING:
    from xmas_assets.home.home import Home
    from xmas_assets.home.stored_tables import StoredTables

app = typer.Typer()


@app.command()
@prints_tables
def leaderboard(
    dataset: Dataset,
    published: Annotated[
        bool, typer.Option("--published", help="Then print what papers report, in a table of its own.")
    ] = False,
) -> None:
    """Print score, Rel%, interval and cost per method and budget, and where the report is.

    Example: xmas leaderboard mine
    """
    home = find_home()
    print_leaderboard(home, dataset)
    if published:
        _print_published(home, dataset)


@app.command()
@prints_tables
def compare(
    dataset: Dataset,
    first: Annotated[str, typer.Argument(help="METHOD@BUDGET, for example xmas@0.20.", autocompletion=method_budgets)],
    second: Annotated[
        str, typer.Argument(help="METHOD@BUDGET, for example random@0.20.", autocompletion=method_budgets)
    ],
) -> None:
    """Compare two methods on the same seeds and questions: per task of the own test set, and per benchmark.

    Each difference has its 95 % interval; where nothing can be compared, it says why.

    Example: xmas compare mine xmas@0.20 random@0.20
    """
    from xmas_assets.evaluation.leaderboard import compare_selections
    from xmas_assets.report.comparison import pair_rows, pair_sentences
    from xmas_assets.stages.comparison import compare_on_benchmarks
    from xmas_assets.stages.publishing import stored_answers

    home, one, other = find_home(), _method_budget(first), _method_budget(second)
    name = home.registration(dataset).name
    answers = stored_answers(home, name)
    pairs = compare_on_benchmarks(home, name, one, other)
    if {one, other} <= set(answers.select("method", "budget").unique().rows()):
        print_frame("comparison", compare_selections(answers, one, other))
    if len(pairs) and is_drawn():
        headings, *rows = pair_rows(pairs)
        print_table("benchmarks", headings, rows)
    elif len(pairs):
        print_gap()
        print_frame("benchmarks", pairs)
    for sentence in pair_sentences(pairs, first, second):
        note(sentence)


@app.command()
@prints_tables
def costs(dataset: Dataset) -> None:
    """Print the hours that each selection took to select, train and score, and up to which budget it pays.

    Example: xmas costs mine
    """
    from xmas_assets.contracts.errors import StoreError
    from xmas_assets.report.costs import cost_rows, cost_sentences
    from xmas_assets.stages.costs import cost_tables, selection_hours

    home = find_home()
    name = home.registration(dataset).name
    partitions = home.stored_partitions("selected_subset", name)
    if not partitions:
        raise StoreError(f"no selection of {name!r} has been made yet; run: xmas run {name} --method random")
    table, break_even = cost_tables(selection_hours(home, partitions)).values()
    if is_drawn():
        headings, *rows = cost_rows(table)
        print_table("costs", headings, rows)
    else:
        print_frame("costs", table)
    for sentence in cost_sentences(break_even):
        note(sentence)


@app.command()
def verify(manifest: Annotated[Path, typer.Argument(help="A *.manifest.json.")]) -> None:
    """Replay a manifest's selection and check the export that it is of; names signals and libraries that differ.

    Example: xmas verify subset.manifest.json
    """
    from xmas_assets.stages.export_check import verify_file

    print(f"verified: {verify_file(find_home(), manifest)}")


@app.command()
@prints_tables
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
    print_table("methods", ("method", "paper", "needs", "cost", "nested"), rows)
    parameters = [f"{name}: {parameter}" for name, method in METHODS.items() for parameter in parameters_of(method)]
    print_gap()
    print_text("parameters", "\n".join(parameters))
    print_text("requirements", "\n".join(requirements_of(METHODS)))
    for problem in METHODS.problems().values():
        note(problem)


@app.command()
@prints_tables
def profiles() -> None:
    """List the packaged profiles: models, the card they are meant for, the most memory that training takes, source.

    Example: xmas profiles
    """
    from xmas_assets.data.profiles import PROFILE_COLUMNS, profile_rows

    if not is_drawn():
        print_table("profiles", PROFILE_COLUMNS, profile_rows())
        return
    print_table("profiles", PROFILE_COLUMNS[:-1], [row[:-1] for row in profile_rows()])
    for name, *_, source in profile_rows():  # paths, which a column would break
        note(f"{name}: after {source}")


def print_leaderboard(home: "Home", dataset: str) -> None:
    """Print the stored leaderboard: drawn with intervals on a terminal, else as the table with every column."""
    from xmas_assets.report.contamination import contamination_notes, exclusion_notes
    from xmas_assets.report.tables import leaderboard_notes, render_text, task_notes
    from xmas_assets.report.verdict import verdict
    from xmas_assets.stages.answering import ANSWERING, asking_notes
    from xmas_assets.stages.contamination import CONTAMINATION
    from xmas_assets.stages.subsets import EXCLUDED

    tables = home.stored("leaderboard", home.registration(dataset).name)
    board = tables["leaderboard"].frame()
    if "comparable" not in board.columns:
        print_frame("leaderboard", board)
        note("This leaderboard was made by an earlier version; the next xmas run brings it up to date.")
        return
    contaminated = tables[CONTAMINATION].frame() if CONTAMINATION in tables else None
    excluded = tables[EXCLUDED].frame() if EXCLUDED in tables else None
    for sentence in (*contamination_notes(contaminated), *exclusion_notes(excluded), *verdict(board)):
        note(sentence)
    if len(board) and is_drawn():
        draw(render_text(board, title=f"Leaderboard of {dataset}"))
    elif len(board):
        print_frame("leaderboard", board)
        for line in leaderboard_notes(board):
            note(line)
    answering = tables[ANSWERING].frame() if ANSWERING in tables else None
    for line in (*task_notes(tables["per_task"].frame()), *asking_notes(home, dataset, answering)):
        note(line)
    _print_benchmarks(tables, dataset)
    print_outside_scores(home, dataset)
    note(f"Report: {home.report(dataset)}")
    page = home.explorer(dataset)
    note(f"The rows themselves: {page}" if page.exists() else f"To look at the rows themselves: xmas explore {dataset}")
    note("Open the UI: xmas ui")


def _print_benchmarks(tables: "StoredTables", dataset: str) -> None:
    """Print what the targets reach on benchmarks, if they were asked any."""
    from xmas_assets.report.benchmark_states import judged_tables, state_sentences
    from xmas_assets.report.comparison import benchmark_sentences, benchmark_tables, score_rows
    from xmas_assets.stages.benchmark_states import JUDGED, STATES
    from xmas_assets.stages.comparison import COMPARED

    compared = {name: tables[name].frame() for name in COMPARED if name in tables}
    states = {name: tables[name].frame() for name in (STATES, JUDGED) if name in tables}
    for sentence in (*benchmark_sentences(compared), *state_sentences(states, dataset)):
        note(sentence)
    if not is_drawn():
        for name, frame in (compared | states).items():
            print_gap()
            print_frame(name, frame)
        return
    shown = benchmark_tables(compared) | judged_tables(states)
    if scores := score_rows(compared, states):
        shown["Scores"] = scores
    for title, (headings, *rows) in shown.items():
        note(title)
        print_table(title, headings, rows)


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
    headings = ("published in", "method", "data", "model", "benchmarks", "budget", "Rel %", f"on {dataset}")
    print_gap()
    print_table("published", headings, rows)
    note(NOTE)


def _method_budget(text: str) -> tuple[str, str]:
    from xmas_assets.contracts.artifacts import SelectionKey
    from xmas_assets.contracts.errors import SettingsError

    method, _, budget = text.partition("@")
    if not budget:
        raise SettingsError(f"{text!r} is not understood; write METHOD@BUDGET, for example xmas@0.20")
    return method, SelectionKey.make(method, budget, 0).budget_text
