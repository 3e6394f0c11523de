"""The ``xmas`` command: its groups of commands put together, and how a mistake is answered.

The modules of ``cli/`` import what a command needs inside that command, so that help and mistakes are answered at once.
"""

import sys
from typing import Annotated

import typer

from xmas_assets.cli import (
    advice,
    benchmark_answers,
    benchmark_runs,
    benchmarks,
    datasets,
    doctor,
    explore,
    exports,
    forgetting,
    growing,
    models,
    plans,
    refresh,
    refused,
    results,
    runs,
    sql,
    status,
    ui,
    work,
)
from xmas_assets.cli.groups import Commands
from xmas_assets.cli.loopback import bypass_proxies
from xmas_assets.cli.options import share_notes
from xmas_assets.cli.output import fail, printed_whole
from xmas_assets.contracts.errors import XmasError

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Choose a smaller fine-tuning set for a vision-language model, and prove that it trains as well.",
)
app.add_typer(datasets.app, name="dataset")
datasets.app.add_typer(refresh.app)
datasets.app.add_typer(refused.app)
datasets.app.add_typer(growing.app)
datasets.app.add_typer(forgetting.app)
app.add_typer(benchmarks.app, name="benchmark")
benchmarks.app.add_typer(benchmark_answers.app)
benchmarks.app.add_typer(benchmark_runs.app)
app.add_typer(models.app, name="model")
for group in (runs, plans, work, status, results, explore, exports, sql, advice, ui, doctor):
    app.add_typer(group.app)


def _print_version(wanted: bool) -> None:
    if wanted:
        from xmas_assets import __version__

        print(f"xmas-assets {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options before a command."""


def main() -> None:
    """Run the command; a user's mistake is one line and exit code 2, a run that failed one line and 1."""
    bypass_proxies()
    with printed_whole():
        try:
            code = app(standalone_mode=False)
            share_notes()
        except typer.Abort:
            fail("aborted", code=1)
        except typer.TyperException as error:
            fail(_explain(error), code=error.exit_code)
        except XmasError as error:
            fail(str(error), code=error.exit_code)
        except Exception as error:
            explained = _explain_database(error)
            if explained is None:
                raise
            fail(explained)
        sys.exit(code)


def _explain_database(error: Exception) -> str | None:
    """What to do about a database of Dagster's; None if the error is another, also where none was opened yet."""
    if "xmas_assets.orchestration.database" not in sys.modules:
        return None
    from xmas_assets.home.home import Home
    from xmas_assets.orchestration.database import explain_database

    return explain_database(error, Home.locate())


def _explain(error: typer.TyperException) -> str:
    """What is wrong with the words of a command, and where to read on; empty if its help was shown instead."""
    message, context = error.format_message().rstrip(". "), getattr(error, "ctx", None)
    return f"{message} (see: {context.command_path} --help)" if message and context else message
