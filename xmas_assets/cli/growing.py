"""``xmas dataset grow``: keep what was made of a dataset's rows when others are appended."""

from typing import Annotated

import typer

from xmas_assets.cli.options import Dataset, open_home
from xmas_assets.cli.output import print_text

app = typer.Typer()


@app.command()
def grow(
    dataset: Dataset,
    rows: Annotated[
        int | None, typer.Option(help="How many of the stored rows came first; default all.", min=1)
    ] = None,
) -> None:
    """Keep models and readings of the rows that are stored, so that rows appended later cost their own reading only.

    Proxy and warm-up stay those of the rows that were there first. Say it before the first rows are appended.

    Example: xmas dataset grow mine
    """
    from xmas_assets.stages.growth import keep_rows

    home = open_home()
    name = home.registration(dataset).name
    count = keep_rows(home, name, n_rows=rows)
    first = home.registration(name).grown[0]
    print_text(
        "kept",
        f"{name}: what was read of its first {count} rows is kept; proxy and warm-up stay those of the first {first}\n"
        f"append rows to its files, and run what you ran before",
    )
