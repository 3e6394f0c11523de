"""Writes ``docs/cli.md`` from the commands and ``docs/settings.md`` from the settings.

Run ``python -m xmas_assets.cli.reference`` in a checkout after a change of either; a test compares.
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.core import TyperGroup
from typer.main import get_command

from xmas_assets.cli import options
from xmas_assets.cli.app import app
from xmas_assets.cli.groups import command_paths
from xmas_assets.contracts.section import Section, bounds, section_of
from xmas_assets.contracts.settings import Settings
from xmas_assets.data.profiles import PROFILE_COLUMNS, profile_rows

_MADE = "<!-- Made by: python -m xmas_assets.cli.reference -->"
_ON_COMMANDS = """\
Every command takes `-h`. Results go to standard output: tables on a terminal, tab-separated lines elsewhere, where a
value that is missing is an empty cell. With `--json`, which every command takes that prints tables, they are one JSON
object: by the name of each table, a list of its rows. Everything else goes to standard error. Exit code 1 says that a
run failed, 2 that the words of the command, a file or a setting are wrong; both in one line.
`xmas --version` prints the version. `xmas --install-completion` makes bash, zsh or fish complete commands, datasets,
methods, selections and queries; `xmas --show-completion` prints the script instead."""
_COMPLETE_LISTS = (
    options.duplicate_rules,
    options.format_names,
    options.outside_runners,
    options.query_names,
    options.result_formats,
    options.task_rules,
)  # completions that name all that is allowed
_TYPES = {
    bool: "flag",
    int: "integer",
    float: "number",
    str: "text",
    Path: "path",
    list[str]: "text, several times",
    list[Path]: "path, several times",
}
_ON_SETTINGS = """\
A profile is a YAML file of these; `overrides` in `XMAS_HOME/datasets/NAME.yaml` replaces single values."""
_ON_PROFILES = """\
`xmas profiles` lists what is packaged; `--profile NAME` of `xmas dataset add` takes one. Their files, in
`xmas_assets/profiles`, say what each value comes from. Memory is the most that any of their trainings takes on rows of
`max_tokens` tokens, as `xmas model memory` estimates it for any model; no such run was measured on a GPU."""


def cli_page() -> str:
    """Every command with its arguments, options, defaults and an example, as Markdown."""
    lines = ["# The command line", "", _MADE, "", _ON_COMMANDS, ""]
    for path, command in command_paths(get_command(app)):  # pyright: ignore[reportArgumentType] it is a group
        if not isinstance(command, TyperGroup):
            lines += _command(path, command)
    return "\n".join(lines)


def settings_page() -> str:
    """The packaged profiles, and every section of the settings with its fields, as Markdown."""
    lines = ["# Settings", "", _MADE, "", _ON_SETTINGS, "", "## Profiles", "", _ON_PROFILES, ""]
    lines += [_row(*PROFILE_COLUMNS), "|---" * len(PROFILE_COLUMNS) + "|"]
    lines += [*(_row(f"`{name}`", *cells) for name, *cells in profile_rows()), ""]
    for name, section in _sections(Settings):
        lines += [f"## {name}", "", " ".join((inspect.getdoc(section) or "").split()), ""]
        lines += ["| field | type | default | meaning |", "|---|---|---|---|"]
        lines += [_field(key, info) for key, info in section.model_fields.items() if not _is_section(info)]
        lines.append("")
    return "\n".join(lines)


PAGES = {"docs/cli.md": cli_page, "docs/settings.md": settings_page}


def _command(path: str, command: Any) -> Iterator[str]:
    text, _, example = inspect.cleandoc(command.help).partition("Example: ")
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    words = [_name(argument) if argument.required else f"[{_name(argument)}]" for argument in arguments]
    usage = " ".join(("xmas", path, *words, "[OPTIONS]"))
    yield from (f"## xmas {path}", "", " ".join(text.split()), "", "```", usage, "```", "")
    if command.params:
        yield from ("| argument or option | value | default | meaning |", "|---|---|---|---|")
        yield from (_parameter(parameter) for parameter in command.params)
        yield ""
    yield from (f"Example: `{' '.join(example.split())}`", "")


def _parameter(parameter: Any) -> str:
    given = None if parameter.default in ([], ()) else parameter.default
    default = "required" if parameter.required else "off" if given is False else _shown(given)
    return _row(f"`{_name(parameter)}`", _value(parameter), default, parameter.help or "")


def _name(parameter: Any) -> str:
    return parameter.name.upper() if parameter.param_type_name == "argument" else ", ".join(parameter.opts)


def _value(parameter: Any) -> str:
    """What may be given: all that is allowed, where there is a list of it; else the type with its bounds."""
    described = parameter.type_descriptor
    completion = described.parameter_info.autocompletion
    if completion in _COMPLETE_LISTS:
        return ", ".join(f"`{choice}`" for choice in completion())
    limits = [f"{sign} {limit}" for sign, limit in ((">=", parameter.min), ("<=", parameter.max)) if limit is not None]
    return _TYPES[described.annotation] + (f" ({', '.join(limits)})" if limits else "")


def _sections(section: type[Section], before: str = "") -> Iterator[tuple[str, type[Section]]]:
    """Every section that holds values of its own, by its dotted name, in the order of the settings."""
    for name, info in section.model_fields.items():
        if (inner := section_of(info)) is not None:
            path = f"{before}{name}"
            if not all(_is_section(field) for field in inner.model_fields.values()):
                yield path, inner
            yield from _sections(inner, f"{path}.")


def _is_section(info: FieldInfo) -> bool:
    return section_of(info) is not None and info.default is not None


def _field(name: str, info: FieldInfo) -> str:
    kind = _kind(info.annotation)
    default = info.get_default(call_default_factory=True)
    shown = default.model_dump() if isinstance(default, BaseModel) else default
    return _row(f"`{name}`", f"`{kind}`{bounds(info.metadata)}", _shown(shown), info.description)


def _kind(annotation: Any) -> str:
    """A type as it is written; with its bounds, where it is one of several."""
    parts = get_args(annotation)
    if get_origin(annotation) in (Union, UnionType):
        return " | ".join(map(_kind, parts))
    if get_origin(annotation) is Annotated:
        return f"{_kind(parts[0])}{bounds(parts[1].metadata)}"
    if annotation is NoneType:
        return "None"
    return annotation.__name__ if inspect.isclass(annotation) else str(annotation).replace("typing.", "")


def _shown(default: object) -> str:
    if default is None:
        return "-"
    return f"`{', '.join(map(str, default)) if isinstance(default, list | tuple) else default}`"


def _row(*cells: str | None) -> str:
    return f"| {' | '.join((cell or '').replace('|', chr(92) + '|') for cell in cells)} |"


def main() -> None:
    """Write the pages below the checkout that is the current directory."""
    for path, page in PAGES.items():
        Path(path).write_text(page(), encoding="utf-8")
        print(path, file=sys.stderr)


if __name__ == "__main__":
    main()
