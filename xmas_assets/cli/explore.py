"""``xmas explore``: look at a dataset's rows, and at what methods made of them."""

from typing import Annotated

import typer

from xmas_assets.cli.options import Dataset, open_home

app = typer.Typer()


@app.command()
def explore(
    dataset: Dataset,
    signal: Annotated[
        str | None,
        typer.Option(
            help="What rows are mapped by: image_and_text, image, text, attention_maps or trajectories; the first "
            "that is stored if left out."
        ),
    ] = None,
) -> None:
    """Write a page of a dataset's rows: a map, pictures, near-duplicates, and what methods kept and dropped, and why.

    Example: xmas explore mine
    """
    from xmas_assets.stages.exploring import write_explorer_of

    home = open_home()
    print(write_explorer_of(home, home.registration(dataset).name, space=signal))
