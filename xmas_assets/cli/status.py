"""``xmas status``: where datasets stand."""

from typing import TYPE_CHECKING, Annotated

import typer

from xmas_assets.cli.options import dataset_names, find_home
from xmas_assets.cli.output import is_drawn, print_gap, print_table, prints_tables

if TYPE_CHECKING:
    from xmas_assets.orchestration.status import DatasetStatus

app = typer.Typer()


@app.command()
@prints_tables
def status(
    dataset: Annotated[
        str | None, typer.Argument(help="One dataset; default all.", autocompletion=dataset_names)
    ] = None,
) -> None:
    """Say what is made, running, stale and why, what to run next, and what it took so far.

    Example: xmas status mine
    """
    home = find_home()
    names = home.datasets() if dataset is None else [home.registration(dataset).name]
    found: list[DatasetStatus] = []
    if names:
        from xmas_assets.orchestration.platform import Platform
        from xmas_assets.orchestration.status import dataset_status

        platform = Platform.open(home)
        found = [dataset_status(platform, name) for name in names]
    if is_drawn():
        for seen in found:
            _draw(seen)
        return
    print_table(
        "assets",
        ("dataset", "asset", "fresh", "stale", "missing", "wanted", "why"),
        [
            (seen.dataset, row.asset, row.fresh, row.stale, row.missing, row.wanted, row.why or None)
            for seen in found
            for row in seen.assets
        ],
    )
    print_gap()
    print_table(
        "datasets",
        ("dataset", "rows", "selections", "running", "next", "cpu_hours", "gpu_hours"),
        [
            (
                seen.dataset,
                seen.rows,
                seen.selections,
                "; ".join(seen.running) or None,
                "; ".join(seen.next) or None,
                round(seen.usage.cpu_seconds / 3600, 4),
                None if seen.usage.gpu_seconds is None else round(seen.usage.gpu_seconds / 3600, 4),
            )
            for seen in found
        ],
    )


def _draw(seen: "DatasetStatus") -> None:
    """Print a dataset in a few lines for a person."""
    rows = "not read yet" if seen.rows is None else f"{seen.rows:,} rows"
    print(f"{seen.dataset}: {rows}, {seen.selections:,} selections")
    wanted = [row for row in seen.assets if row.wanted]
    fresh = [row.asset for row in wanted if row.stale == row.missing == 0]
    if fresh:
        print(f"  made     {', '.join(fresh)}")
    for row in seen.assets:
        if row.stale:
            print(f"  stale    {_counted(row.asset, row.stale, row.fresh + row.stale + row.missing)}: {row.why}")
    for row in wanted:
        if row.missing:
            print(f"  missing  {_counted(row.asset, row.missing, row.fresh + row.stale + row.missing)}")
    for line in seen.running:
        print(f"  running  {line}")
    for line in seen.next or [f"nothing to do; see: xmas leaderboard {seen.dataset}"]:
        print(f"  next     {line}")
    gpu = f", {seen.usage.gpu_seconds / 3600:.3g} GPU hours" if seen.usage.gpu_seconds else ""
    print(f"  took     {seen.usage.cpu_seconds / 3600:.3g} CPU hours{gpu}\n")


def _counted(asset: str, some: int, all_of_them: int) -> str:
    return asset if some == all_of_them == 1 else f"{asset} of {some:,} of {all_of_them:,}"
