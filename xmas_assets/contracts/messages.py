"""How errors of other libraries become our one line."""

import reprlib

from pydantic import ValidationError


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
        seen = (
            "" if problem["type"] in {"missing", "extra_forbidden"} else f", got {reprlib.repr(problem['input'])[:80]}"
        )
        lines.append(f"{field}: {problem['msg'].removeprefix('Value error, ')}{seen}")
    more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
    return ("; ".join(lines) + more).replace("\n", " ")
