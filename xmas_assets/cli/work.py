"""``xmas work``: make every n-th shard of a stage, as one task of many that share ``XMAS_HOME``."""

from typing import Annotated

import typer

from xmas_assets.cli.options import Dataset, open_home, selection_names
from xmas_assets.cli.output import note

app = typer.Typer()


@app.command()
def work(
    dataset: Dataset,
    stage: Annotated[
        list[str],
        typer.Argument(
            help="Such as raw_dataset, attention_trajectories, gradients, benchmark_scores; several together."
        ),
    ],
    part: Annotated[str | None, typer.Option(help="Which of how many parts, counted from 0, such as 0/4.")] = None,
    inputs: Annotated[
        bool, typer.Option("--inputs", help="Make what the shards are read from, such as checkpoints, and no shard.")
    ] = False,
    selection: Annotated[
        list[str] | None,
        typer.Option(
            help="Of benchmark_scores, whose targets are asked; several times. Default: all that there are.",
            autocompletion=selection_names,
        ),
    ] = None,
) -> None:
    """Make one part of a stage's shards, or with --inputs what all parts read; a run then finds them made.

    For Slurm arrays and indexed Kubernetes jobs, whose tasks see the same XMAS_HOME (docs/scaling.md).

    Example: xmas work mine attention_trajectories --part 0/4
    """
    import logging

    from xmas_assets.contracts.errors import SettingsError
    from xmas_assets.stages.parts import make_part, parse_part

    home = open_home()
    if inputs == (part is not None):
        raise SettingsError("give --part, such as --part 0/4, or --inputs, which is run once before the parts")
    if part is not None:
        from xmas_assets.resources.progress import listen

        heard = listen(logging.getLogger(__name__))
        for line in make_part(home, dataset, stage, parse_part(part), listen=heard, selections=selection or ()):
            note(line)
        return
    from xmas_assets.orchestration.part_inputs import make_inputs

    make_inputs(home, dataset, stage, selections=selection or (), say=note)
