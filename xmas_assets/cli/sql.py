"""``xmas sql``: query the stored tables."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xmas_assets.cli.options import find_home, query_names, result_formats
from xmas_assets.cli.output import note, print_frame, prints_tables

if TYPE_CHECKING:
    import polars as pl

    from xmas_assets.home.home import Home

app = typer.Typer()


@app.command()
@prints_tables
def sql(
    statement: Annotated[
        str | None, typer.Argument(help="One SELECT, unless --query is given; SHOW TABLES lists what there is.")
    ] = None,
    query: Annotated[
        str | None, typer.Option(help="A query that comes with xmas, by its name.", autocompletion=query_names)
    ] = None,
    set: Annotated[  # noqa: A002
        list[str] | None, typer.Option(help="NAME=VALUE of a parameter of the query; may be given several times.")
    ] = None,
    format: Annotated[  # noqa: A002
        str | None,
        typer.Option(help="Write the whole result as this, and not as a table.", autocompletion=result_formats),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="New file to write; its ending says the format. Default: standard output.")
    ] = None,
) -> None:
    """Query all stored tables with DuckDB, read-only.

    Example: xmas sql --query cluster_sizes --set dataset=mine
    """
    from xmas_assets.contracts.errors import SettingsError
    from xmas_assets.store import database

    form = _result_format(format, output)
    if (statement is None) == (query is None):
        raise SettingsError(f"give either one SELECT, or --query with one of {', '.join(query_names())}")
    parameters = dict(_name_value(text) for text in set or [])
    home = find_home()
    with database.connect(home.tables()) as connection:
        if query is not None:
            result = database.run_query(connection, query, **parameters)
        else:
            result = database.query(connection, statement or "", parameters)
    if form is None:
        print_frame("result", result)
    else:
        _write(home, result, form, output)


def _result_format(form: str | None, output: Path | None) -> str | None:
    """The format of the result, as asked for or as the file's ending says; None for a table."""
    from xmas_assets.contracts.errors import SettingsError
    from xmas_assets.contracts.messages import one_of

    wanted = form or (output and output.suffix.lower().removeprefix("."))
    if wanted is not None and wanted not in result_formats():
        seen = f"--format {form!r}" if form else f"the ending of --output {str(output)!r}"
        raise SettingsError(f"{seen} is not a format of results; {one_of(wanted, result_formats())}")
    if output is None and wanted == "parquet" and sys.stdout.isatty():
        raise SettingsError("Parquet cannot be shown on a terminal; add --output FILE.parquet")
    return wanted


def _write(home: "Home", result: "pl.DataFrame", form: str, output: Path | None) -> None:
    from xmas_assets.data.inputs import Inputs
    from xmas_assets.data.outputs import write_new_file
    from xmas_assets.store.result_files import result_bytes

    if output is not None:
        content = result_bytes(result, form)
        write_new_file(output, lambda: content, suffix=f".{form}", inputs=Inputs.of_home(home.root))
        note(f"{len(result):,} rows in {output}")
    elif form == "parquet":
        sys.stdout.buffer.write(result_bytes(result, form))
    else:
        print(result_bytes(result, form).decode(), end="")


def _name_value(text: str) -> tuple[str, str]:
    from xmas_assets.contracts.errors import SettingsError

    name, separator, value = text.partition("=")
    if not (name.isidentifier() and separator):
        raise SettingsError(f"--set {text!r} is not understood; write NAME=VALUE, for example dataset=mine")
    return name, value
