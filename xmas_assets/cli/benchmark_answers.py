"""``xmas benchmark``, continued: who scores the answers where no rule can, a judge, people or a server."""

from pathlib import Path
from typing import Annotated

import typer

from xmas_assets.cli.benchmarks import Name
from xmas_assets.cli.options import Dataset, Selection, open_home
from xmas_assets.cli.output import note

app = typer.Typer()


@app.command()
def submission(
    name: Name,
    dataset: Dataset,
    selection: Selection,
    out: Annotated[Path, typer.Option(help="Folder to write: new, empty, or an earlier submission to this benchmark.")],
) -> None:
    """Write a target's answers as the file that the benchmark's server or official script takes.

    Example: xmas benchmark submission vqav2_test mine xmas_b0.20_s0 --out vqav2_upload
    """
    from xmas_assets.contracts.artifacts import SelectionKey
    from xmas_assets.stages.submissions import write_submission

    made = write_submission(open_home(), name, dataset, SelectionKey.read(selection), out=out)
    print(f"{made.n_questions:,} answers in {out / made.file}")
    if made.n_unanswered:
        note(f"{made.n_unanswered:,} of them are empty, for the target gave none")


@app.command()
def judge(
    name: Name,
    model: Annotated[
        str | None,
        typer.Option(help="Name of the judge at --url; without that, the directory or hub id of a local chat model."),
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Address of an OpenAI-compatible endpoint up to /v1, without a key in it.")
    ] = None,
    key_variable: Annotated[
        str | None, typer.Option(help="Environment variable that holds the key; the key itself is never stored.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Commit hash of a local model that is a hub id.")] = None,
    runs: Annotated[int, typer.Option(min=1, help="How often each answer is judged; scores are means.")] = 1,
    parallel: Annotated[int, typer.Option(min=1, help="Requests under way at once.")] = 4,
    timeout: Annotated[float, typer.Option(help="Longest wait to connect and between bytes, seconds.")] = 60.0,
    nobody: Annotated[bool, typer.Option("--nobody", help="Take the judge away.")] = False,
) -> None:
    """Have a language model score the answers to mmvet, llavabench or owleval.

    Only these scores become stale: the next run judges the answers that there are.

    Example: xmas benchmark judge mmvet --url https://api.openai.com/v1 --model gpt-4-0613 --key-variable OPENAI_API_KEY
    """
    from xmas_assets.contracts.errors import SettingsError

    if nobody == (model is not None):
        raise SettingsError("give --url and --model of an endpoint, --model of a local model, or --nobody")
    where = {"key_variable": key_variable, "n_parallel": parallel, "timeout_seconds": timeout}
    endpoint = {"endpoint": {"url": url, "model": model, **where}}
    fields = {**(endpoint if url else {"model": model, "revision": revision}), "n_runs": runs}
    home = open_home()
    chosen = home.benchmarks.set_judge(name, None if nobody else fields)
    print(f"{name} is scored by {chosen.name if chosen else 'nobody'}; {home.benchmarks.registration_path(name)}")


@app.command()
def sheet(
    name: Name,
    dataset: Dataset,
    path: Annotated[Path, typer.Argument(help="CSV file to write: new, or the same sheet, not filled in.")],
    rater: Annotated[str | None, typer.Option(help="Leave out what this person has rated already.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the order of the answers.")] = 0,
) -> None:
    """Write a sheet on which a person rates all targets' answers, A to D, without seeing whose they are.

    Example: xmas benchmark sheet owleval mine anna.csv
    """
    from xmas_assets.stages.rating import write_sheet

    n_answers = write_sheet(open_home(), name, dataset, to=path, rater=rater, seed=seed)
    print(f"{n_answers:,} answers in {path}; fill in its last column, then run: xmas benchmark ratings")


@app.command()
def ratings(
    name: Name,
    dataset: Dataset,
    path: Annotated[Path, typer.Argument(help="A sheet that was filled in.")],
    rater: Annotated[str, typer.Option(help="Who rated: 1 to 64 of a-z, 0-9, '_' and '-'.")],
) -> None:
    """Take over a rater's sheet; several raters count as several runs of a judge. The next run scores by them.

    Example: xmas benchmark ratings owleval mine anna.csv --rater anna
    """
    from xmas_assets.stages.rating import take_over_ratings

    taken = take_over_ratings(open_home(), name, dataset, path, rater=rater)
    print(f"{taken.n_new:,} ratings by {rater}, {taken.n_rated:,} of {taken.n_answers:,} answers are rated")
    if taken.n_rated < taken.n_answers:
        note(f"for the others: xmas benchmark sheet {name} {dataset} SHEET.csv --rater {rater}")
