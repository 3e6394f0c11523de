"""``xmas dataset refresh``: whether a dataset's files are those that were read."""

import typer

from xmas_assets.cli.options import Dataset, find_home
from xmas_assets.cli.output import note, print_gap, print_table, prints_tables

app = typer.Typer()


@app.command()
@prints_tables
def refresh(dataset: Dataset) -> None:
    """Say which images and files came, changed or vanished since a dataset was read, and what that makes stale.

    Sizes and times are looked at, and the content of what has others.

    Example: xmas dataset refresh mine
    """
    from xmas_assets.orchestration.platform import Platform
    from xmas_assets.orchestration.refreshing import refresh as look

    home = find_home()
    name = home.registration(dataset).name
    found = look(Platform.open(home), name)
    rows = [(seen.files, seen.change, seen.n_files, ", ".join(seen.first)) for seen in found.changes]
    print_table("changes", ("files", "change", "n_files", "first"), rows)
    print_gap()
    print_table("stale", ("asset", "partitions", "why"), found.stale)
    if not rows:
        note(f"all files of {name} are as they were read")
    for command in found.next:
        note(f"next: {command}")
