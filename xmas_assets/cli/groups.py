"""Groups of commands, and what is answered to a command that does not exist."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from typer.core import TyperGroup


class Commands(TyperGroup):
    """A group that suggests the nearest commands of the whole tree: ``dataset list`` where ``lits`` was typed."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the arguments start with.

        Raises:
            typer.TyperException: If there is none; in one line, with what may be meant.
        """
        if args[0] not in self.commands and not ctx.resilient_parsing:
            paths = {path.split()[-1]: path for path, _ in command_paths(ctx.find_root().command)}
            near = [f"'xmas {paths[name]}'" for name in get_close_matches(args[0], paths)]
            meant = f"did you mean {' or '.join(near)}?" if near else f"use one of {', '.join(self.commands)}"
            ctx.fail(f"no such command {args[0]!r}; {meant}")
        return super().resolve_command(ctx, args)


def command_paths(group: TyperGroup, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every command of a tree with its words, such as ``dataset add``, groups before their commands."""
    for name, command in group.commands.items():
        yield f"{before}{name}", command
        if isinstance(command, TyperGroup):
            yield from command_paths(command, f"{before}{name} ")
