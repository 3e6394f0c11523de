"""``xmas benchmark run``: targets scored by another program, next to our own scores."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xmas_assets.cli.options import Dataset, open_home, outside_runners, selection_names
from xmas_assets.cli.output import note, print_frame, prints_tables

if TYPE_CHECKING:
    from xmas_assets.home.home import Home

app = typer.Typer()


@app.command()
@prints_tables
def run(
    dataset: Dataset,
    runner: Annotated[str, typer.Option(help="The program that asks and scores.", autocompletion=outside_runners)],
    python: Annotated[Path, typer.Option(help="Interpreter of the environment that it is installed in.")],
    selection: Annotated[
        list[str] | None,
        typer.Option(
            help="Selection key; several times. Default: all that a target was trained on.",
            autocompletion=selection_names,
        ),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(help="Task or group of the runner; several times. Default: those of the dataset's benchmarks."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first questions of each task, for a try.")] = None,
    model: Annotated[str | None, typer.Option(help="The runner's model; default: that of the family.")] = None,
    model_args: Annotated[str, typer.Option(help="More for that model: name=value, with commas between.")] = "",
    batch_size: Annotated[int, typer.Option(min=1, help="Questions at once.")] = 1,
    device: Annotated[str | None, typer.Option(help="Where it runs; default: as the dataset's targets.")] = None,
    include_path: Annotated[Path | None, typer.Option(help="Folder of further task files.")] = None,
    pass_env: Annotated[
        list[str] | None,
        typer.Option(help="Variable that the runner is given though it may be a secret; several times."),
    ] = None,
    hours: Annotated[int, typer.Option(min=1, help="The longest that one task may take.")] = 24,
) -> None:
    """Score trained targets by another program; its numbers are stored and shown apart from the official ones.

    Example: xmas benchmark run mine --runner lmms-eval --python lmms-env/bin/python --task pope
    """
    from xmas_assets.contracts.errors import SettingsError
    from xmas_assets.contracts.messages import one_of

    if runner not in outside_runners():
        raise SettingsError(f"--runner {runner!r} is not known; {one_of(runner, outside_runners())}")
    from xmas_assets.orchestration.outside_runs import run_lmms_eval
    from xmas_assets.stages.outside_scores import LmmsEval

    home = open_home()
    how = LmmsEval(
        python=python,
        model=model,
        model_args=model_args,
        batch_size=batch_size,
        device=device,
        limit=limit,
        include=include_path,
        passed=pass_env or (),
        hours=hours,
    )
    run_lmms_eval(home, dataset, how, selections=selection or (), tasks=task or (), say=note)
    print_outside_scores(home, dataset)


def print_outside_scores(home: "Home", dataset: str) -> None:
    """Print what other programs scored of a dataset's targets, if any did."""
    from xmas_assets.stages.outside_scores import outside_scores

    scores = outside_scores(home, dataset)
    if len(scores):
        note("Scored by lmms-eval, by its own rules; in no Rel%, and not among wins and saved data:")
        print_frame("outside_scores", scores)
