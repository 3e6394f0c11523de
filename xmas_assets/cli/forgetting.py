"""``xmas dataset forget-rows``: remove rows, and everything that was made of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xmas_assets.cli.options import Dataset, open_home
from xmas_assets.cli.output import note

if TYPE_CHECKING:
    from xmas_assets.home.home import Home

app = typer.Typer()
_MOST_BYTES = 1 << 30


@app.command("forget-rows")
def forget_rows(
    dataset: Dataset,
    ids: Annotated[Path | None, typer.Option(help="File with the sample_id of a row on each line.")] = None,
    ids_where: Annotated[
        str | None, typer.Option(help="SQL condition on the columns of raw_dataset.samples, such as \"task = 'x'\".")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Forget rows: they, their images and all that was made of the dataset are removed, and they do not come back.

    Without an option it finishes a removal that was interrupted. Your own files stay as they are.

    Example: xmas dataset forget-rows mine --ids ids.txt --yes
    """
    from xmas_assets.orchestration.forgetting import forget_shown
    from xmas_assets.orchestration.platform import Platform
    from xmas_assets.stages.forgetting import forget_rows as forget
    from xmas_assets.stages.forgetting import plan_forgetting, sources_of

    home = open_home()
    name = home.registration(dataset).name
    plan = plan_forgetting(home, name, _wanted(home, name, ids, ids_where))
    made = ", ".join(plan.selections) or "none"
    note(f"selections of {name} that are removed, with targets and scores: {made}; exports of them are not known here")
    if not yes:
        question = (
            f"Forget {plan.n_rows} rows of {name} and {plan.n_images} images, and remove all that was made of it?"
        )
        typer.confirm(question, abort=True)
    elsewhere = forget_shown(Platform.open(home), name)
    forget(home, name, plan)
    print(f"forgot {plan.n_rows} rows of {name}; make again what is needed with: xmas select {name}, xmas run {name}")
    note(f"your own files still hold them: {', '.join(map(str, sources_of(home, name)))}")
    note("the records of Dagster and MLflow stay, without files; a record may name ids of rows that were left out")
    if elsewhere:
        note(f"files of {len(elsewhere)} runs of MLflow's lie elsewhere and stay; the first: {elsewhere[0]}")


def _wanted(home: "Home", dataset: str, ids: Path | None, condition: str | None) -> list[str]:
    from xmas_assets.contracts.errors import SettingsError
    from xmas_assets.files.notes import note_bytes
    from xmas_assets.stages.forgetting import ids_where

    if ids is not None and condition is not None:
        raise SettingsError("give --ids or --ids-where, not both")
    if condition is not None:
        return ids_where(home, dataset, condition)
    if ids is None:
        return []
    try:
        lines = note_bytes(ids, most=_MOST_BYTES).decode("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise SettingsError(f"--ids {ids} cannot be read ({error}); give a text file with one id per line") from None
    return [line for line in lines if line]
