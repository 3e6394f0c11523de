"""Words after ``xmas`` as the real command line takes them, without running anything."""

from collections.abc import Sequence

import typer
from typer.core import TyperGroup
from typer.main import get_command

from xmas_assets.cli.app import app


def parse_words(words: Sequence[str]) -> None:
    """Accept a command with all that it needs, or its bare name as in a sentence about it.

    Raises:
        AssertionError, typer.TyperException: If the words are neither.
    """
    command, context, rest = get_command(app), None, list(words)
    if rest and rest[0].startswith("-"):
        assert set(rest) <= {option for parameter in command.params for option in parameter.opts}
        return
    while isinstance(command, TyperGroup):
        if not rest:
            return
        context = typer.Context(command, parent=context, info_name="xmas")
        _, command, rest = command.resolve_command(context, rest)
        assert command is not None
    if rest:
        given = command.make_context(command.name, rest, parent=context).params
        # One that a file of a study may name is not required by the parser.
        if "method" in given and not given["method"] and not given["dataset"].endswith(".yaml"):
            raise typer.BadParameter("--method is missing")
