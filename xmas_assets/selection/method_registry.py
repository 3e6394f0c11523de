"""Methods by name: our own, those that other packages name by entry points, and those that a script adds."""

import inspect
from collections.abc import Mapping
from typing import ClassVar, get_args

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.contracts.errors import SelectionError, SettingsError, XmasError
from xmas_assets.contracts.plugins import PluginRegistry
from xmas_assets.contracts.signals import SIGNALS
from xmas_assets.selection.base import Cost, Method

_DECLARED = {"name": str, "paper": str, "needs": frozenset, "cost": str, "nested": bool}


class MethodRegistry(PluginRegistry[type[Method]]):
    """Method classes by name; an entry point leads from a method's name to its class."""

    group: ClassVar[str] = "xmas_assets.methods"
    noun: ClassVar[str] = "method"
    error: ClassVar[type[XmasError]] = SelectionError

    def __init__(self, built_in: Mapping[str, type[Method]]) -> None:
        super().__init__(built_in)
        self._of_scripts: set[str] = set()

    def register(self, method: type[Method]) -> type[Method]:
        """Add a method of the running program, for this process; returns it, so this can decorate the class.

        Args:
            method: With every ``ClassVar`` of ``Method``, needing signals of the platform, its parameters with
                defaults. One that was registered before under the same name is replaced (a notebook runs cells again).

        Raises:
            SelectionError: If it cannot serve as a method, or its name belongs to one of this package or of another.
        """
        name = getattr(method, "name", None)
        with self._lock:
            self._add(method, name, package=None, replaces=name in self._of_scripts)
            self._of_scripts.add(method.name)
        return method

    def _accepted(self, loaded: object, name: str | None) -> type[Method]:
        problem = _problem_of(loaded, name)
        if problem:
            raise ValueError(problem)
        assert isinstance(loaded, type)
        return loaded


def _problem_of(method: object, name: object) -> str:
    """Why this cannot serve as the method of this name, as the end of a sentence; "" if it can."""
    if not (isinstance(method, type) and issubclass(method, Method)):
        return f"is {method!r:.80}, not a subclass of xmas_assets.Method"
    missing = [field for field, kind in _DECLARED.items() if not isinstance(getattr(method, field, None), kind)]
    if missing:
        declared = ", ".join(f"{field}: ClassVar[{_DECLARED[field].__name__}]" for field in missing)
        return f"lacks {declared}; declare what is missing in {_full_name(method)}"
    if method.name != name or not _stands_in_a_key(method.name):
        return f"calls itself {method.name!r}; use one name, words of a-z and 0-9 joined by '_', for class and package"
    if method.cost not in get_args(Cost):
        return f"has cost {method.cost!r}; use one of {', '.join(get_args(Cost))}"
    unknown = sorted(method.needs - SIGNALS.keys())
    if unknown:
        return f"needs {', '.join(unknown)}, which the platform does not make; use some of {', '.join(SIGNALS)}"
    if inspect.isabstract(method):
        return f"does not define {', '.join(sorted(method.__abstractmethods__))}; define it in {_full_name(method)}"
    required = [field for field, info in method.model_fields.items() if info.is_required()]
    return f"has no default for {', '.join(required)}; give every parameter one" if required else ""


def _stands_in_a_key(name: str) -> bool:
    """Whether a selection key with this name as its method is read back as such."""
    try:
        return SelectionKey.parse(f"{name}_b0.50_s0").method == name
    except SettingsError:
        return False


def _full_name(method: type[Method]) -> str:
    return f"{method.__module__}.{method.__qualname__}"
