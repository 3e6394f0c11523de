"""Methods by name: our own, those that other packages name by entry points, and those that a script adds."""

import inspect
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import get_args

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.contracts.errors import SelectionError, SettingsError
from xmas_assets.contracts.manifest import MethodPackage
from xmas_assets.contracts.signals import SIGNALS
from xmas_assets.selection.base import Cost, Method

GROUP = "xmas_assets.methods"
"""Entry point group: a method's name to its class."""

_MAX_REASON = 200  # characters of a foreign error that are shown
_DECLARED = {"name": str, "paper": str, "needs": frozenset, "cost": str, "nested": bool}


class MethodRegistry(Mapping[str, type[Method]]):
    """Method classes by name.

    Installed packages are searched when a name is not one of our own or all names are asked for. One of their methods
    that cannot be used is left out, and ``problems`` says why; the others go on.
    """

    def __init__(self, built_in: Mapping[str, type[Method]]) -> None:
        self._methods = dict(built_in)
        self._packages: dict[str, MethodPackage] = {}
        self._of_scripts: set[str] = set()
        self._problems: dict[str, str] = {}
        self._searched = False
        self._lock = threading.RLock()

    def register(self, method: type[Method]) -> type[Method]:
        """Add a method of the running program, for this process; returns it, so this can decorate the class.

        Args:
            method: With every ``ClassVar`` of ``Method``, needing signals of the platform, its parameters with
                defaults. One that was registered before under the same name is replaced (a notebook runs cells again).

        Raises:
            SelectionError: If it cannot serve as a method, or its name belongs to one of this package or of another.
        """
        with self._lock:
            self._add(method, getattr(method, "name", None), package=None)
        return method

    def package(self, name: str) -> MethodPackage | None:
        """The other package that a method comes from; None for one of our own or of a script."""
        self._search()
        return self._packages.get(name)

    def problems(self) -> dict[str, str]:
        """Why methods of installed packages cannot be used: a sentence by name."""
        self._search()
        return dict(self._problems)

    def __getitem__(self, name: str) -> type[Method]:
        if name not in self._methods:
            self._search()
        return self._methods[name]

    def __iter__(self) -> Iterator[str]:
        self._search()
        return iter(self._methods)

    def __len__(self) -> int:
        self._search()
        return len(self._methods)

    def _search(self) -> None:
        """Add what installed packages name, once; in the order of packages and names."""
        with self._lock:
            if self._searched:
                return
            self._searched = True
            points = sorted(entry_points(group=GROUP), key=lambda point: (point.name, _package_of(point).distribution))
            times = Counter(point.name for point in points)
            for point in points:
                package = _package_of(point)
                try:
                    if times[point.name] > 1:
                        raise SelectionError(f"{_named(point.name, package)} is also in another package; remove one")
                    self._add(_load(point, package), point.name, package=package)
                except SelectionError as error:
                    self._problems[point.name] = str(error)

    def _add(self, method: object, name: str | None, *, package: MethodPackage | None) -> None:
        taken = name in self._methods and not (package is None and name in self._of_scripts)
        problem = f"has the name of {_full_name(self._methods[str(name)])}; use another" if taken else ""
        problem = problem or _problem_of(method, name)
        if problem:
            raise SelectionError(f"{_named(name, package)} {problem}")
        assert isinstance(method, type) and name is not None
        self._methods[name] = method
        if package is None:
            self._of_scripts.add(name)
        else:
            self._packages[name] = package


def _package_of(point: EntryPoint) -> MethodPackage:
    assert point.dist is not None, "importlib.metadata gives every installed entry point its distribution"
    return MethodPackage(distribution=point.dist.name, version=point.dist.version)


def _load(point: EntryPoint, package: MethodPackage) -> object:
    try:
        return point.load()
    except (Exception, SystemExit) as error:  # importing the code of others may raise anything
        words = " ".join(str(error).split())[:_MAX_REASON]
        raise SelectionError(
            f"{_named(point.name, package)} cannot be imported from {point.value} ({type(error).__name__}: {words}); "
            "repair or remove the package"
        ) from error


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


def _named(name: object, package: MethodPackage | None) -> str:
    return f"method {name!r}" + (f" of package {package.distribution} {package.version}" if package else "")


def _full_name(method: type[Method]) -> str:
    return f"{method.__module__}.{method.__qualname__}"
