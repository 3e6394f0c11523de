"""How errors of other libraries become our one line."""

import reprlib
from collections.abc import Iterable
from difflib import get_close_matches

from pydantic import ValidationError

UNSHOWN = "unshown"
"""Type of a validation error whose value may be a secret, so that no message may repeat it."""


class _Short(reprlib.Repr):
    """Its numbers, too, may be of any size."""

    def repr_int(self, x: int, level: int) -> str:
        """The number; its size if it is longer than Python prints."""
        try:
            return super().repr_int(x, level)
        except ValueError:
            return f"an integer of {x.bit_length()} bits"


_SHORT = _Short()


def shown(value: object, limit: int = 120) -> str:
    r"""A value of somebody's file for a message: short, printable ASCII, on one line, however deep it is nested.

    Example:
        >>> shown({"id": [1, 2]}), shown("caf\u00e9\n")
        ("{'id': [1, 2]}", "'caf\\xe9\\n'")
    """
    return _SHORT.repr(value).encode("ascii", "backslashreplace").decode()[:limit]


def one_of(name: str, known: Iterable[str]) -> str:
    """What to do about a name that is not known: the nearest one, if one is near, and all of them.

    Example:
        >>> one_of("rnadom", ["xmas", "random"]), one_of("less", ["xmas", "random"])
        ("did you mean 'random'? use one of xmas, random", 'use one of xmas, random')
    """
    known = list(known)
    near = get_close_matches(name, known, n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return f"{meant}use one of {', '.join(known)}"


def first_line(error: BaseException, limit: int = 300) -> str:
    r"""The first line of another library's error, cut short; its type's name where it has no message.

    Example:
        >>> first_line(ValueError("first\n  second")), first_line(KeyError())
        ('first', 'KeyError')
    """
    lines = str(error).strip().splitlines()
    return lines[0][:limit] if lines else type(error).__name__


def one_line(error: BaseException, limit: int = 300) -> str:
    r"""All of another library's error as one line, cut short, where its first line does not say enough.

    Example:
        >>> one_line(ValueError("first\n  second"))
        'first second'
    """
    return " ".join(str(error).split())[:limit]


def describe_invalid(error: ValidationError) -> str:
    """One line naming each wrong field, its problem and the value seen (at most three fields, each value cut short).

    Example:
        >>> from xmas_assets.contracts.settings import LoraSettings
        >>> try:
        ...     LoraSettings(rank=0)
        ... except ValidationError as error:
        ...     print(describe_invalid(error))
        rank: Input should be greater than or equal to 1, got 0
    """
    problems = error.errors(include_url=False, include_context=False)
    lines = []
    for problem in problems[:3]:
        field = ".".join(str(part) for part in problem["loc"]) or "value"
        is_shown = problem["type"] not in {"missing", "extra_forbidden", UNSHOWN}
        seen = f", got {shown(problem['input'], 80)}" if is_shown else ""
        lines.append(f"{field}: {problem['msg'].removeprefix('Value error, ')}{seen}")
    more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
    return ("; ".join(lines) + more).replace("\n", " ")
