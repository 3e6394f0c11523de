"""``xmas dataset refused``: the records that were refused when a dataset was read, and why."""

from pathlib import Path
from typing import Annotated

import typer

from xmas_assets.cli.options import Dataset, find_home, refusal_reasons
from xmas_assets.cli.output import is_drawn, note, print_frame, prints_tables

app = typer.Typer()


@app.command()
@prints_tables
def refused(
    dataset: Dataset,
    reason: Annotated[
        str | None, typer.Option(help="Show the records of this reason.", autocompletion=refusal_reasons)
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="New file, .jsonl, to write the original records to, or those of the reason.")
    ] = None,
) -> None:
    """Show why records were refused, with the first of each reason; with --reason, which they are.

    Example: xmas dataset refused mine --reason image_missing
    """
    from xmas_assets.stages.refused import refused_reasons, refused_rows, write_refused

    home = find_home()
    name = home.registration(dataset).name
    if export is not None:
        n_records, n_texts = write_refused(home, name, to=export, reason=reason)
        note(f"{n_records:,} refused records in {export}")
        if n_texts:
            note(f"{n_texts:,} of them are no JSON that can be read; each stands as a text")
    elif reason is not None:
        print_frame("refused", refused_rows(home, name, reason=reason))
    else:
        reasons = refused_reasons(home, name)
        print_frame("reasons", reasons.drop("raw") if is_drawn() else reasons)
