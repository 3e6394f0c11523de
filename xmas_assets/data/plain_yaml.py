"""Read YAML files of plain values: bounded in bytes, depth and size before anything of them is made."""

from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.contracts.messages import one_line

_MAX_BYTES = 1_000_000
_MAX_VALUES = 100_000  # the longest file of distinct paths has fewer
_MAX_REMEMBERED = 20_000  # characters of a text whose values are kept
_MAX_DEPTH = 50  # a method's parameters are at depth 5


@dataclass
class _Extent:
    """How large a value is with every alias in it written out."""

    anchor: str | None
    n_values: int = 1
    depth: int = 1

    def include(self, inner: "_Extent") -> None:
        """Count a value that this one holds."""
        self.n_values += inner.n_values
        self.depth = max(self.depth, inner.depth + 1)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that must hold plain values under names; objects and code are refused.

    Raises:
        SettingsError: If it cannot be read, is too large or too deep, is not plain YAML or is not a mapping.
    """
    try:
        if path.exists() and not path.is_file():  # reading a pipe would wait
            raise SettingsError(f"{path}: not a regular file; give a UTF-8 YAML file")
        with path.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise SettingsError(f"{path}: larger than {_MAX_BYTES} bytes; this is not a settings file")
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read ({error}); give a UTF-8 YAML file") from None
    return parsed_yaml(text, where=str(path))


def parsed_yaml(text: str, *, where: str) -> dict[str, Any]:
    """The plain values under names that a YAML text holds; ``SettingsError``, beginning with ``where``, else."""
    try:
        content = deepcopy(_remembered(text)) if len(text) <= _MAX_REMEMBERED else _content(text)
    except Exception as error:  # values such as '!!bool x' and '2020-13-01' make the library raise anything
        problem = one_line(error, 200) or type(error).__name__
        raise SettingsError(f"{where}: not plain YAML ({problem}); use names, texts, numbers and lists only") from None
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise SettingsError(f"{where}: holds a {type(content).__name__}, must hold 'name: value' lines")
    return content


def _content(text: str) -> Any:
    _check_extent(text)
    return yaml.safe_load(text)


_remembered = lru_cache(maxsize=32)(_content)  # a run reads the registration of its dataset some thirty times


def _check_extent(text: str) -> None:
    """Refuse what is too deep or too large once aliases are written out; ``ValueError``, or ``YAMLError`` of a mistake.

    A file of 1 kB can stand for 10^9 values, and merging (``<<``) copies them.
    """
    known: dict[str, _Extent] = {}
    around = [_Extent(None, depth=0)]
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        inner = None
        if isinstance(event, yaml.CollectionStartEvent):
            around.append(_Extent(event.anchor))
        elif isinstance(event, yaml.CollectionEndEvent):
            inner = around.pop()
        elif isinstance(event, yaml.ScalarEvent):
            inner = _Extent(event.anchor)
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in known:
                raise ValueError(f"alias *{event.anchor} has no whole value &{event.anchor} before it")
            inner = known[event.anchor]
        if inner is not None:
            around[-1].include(inner)
            known |= {inner.anchor: inner} if inner.anchor else {}
        if len(around) - 1 + (inner.depth if inner else 0) > _MAX_DEPTH:
            raise ValueError(f"deeper than {_MAX_DEPTH} levels")
        if sum(extent.n_values for extent in around) > _MAX_VALUES:
            raise ValueError(f"more than {_MAX_VALUES} values")
