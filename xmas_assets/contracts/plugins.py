"""Things by name: our own, and those that other installed packages name by entry points."""

import threading
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import ClassVar, Generic, TypeVar

from xmas_assets.contracts.errors import XmasError
from xmas_assets.contracts.manifest import OutsidePackage

T = TypeVar("T")
_MAX_REASON = 200  # characters of a foreign error that are shown


class PluginRegistry(Mapping[str, T], Generic[T]):
    """Things of one kind by name.

    Installed packages are searched when a name is not one of our own or all names are asked for. What one of them names
    and cannot be used is left out, and ``problems`` says why; the others go on.

    Attributes:
        group: The group of entry points: a name to a class.
        noun: What one of the things is called.
        error: What is raised where one cannot be used.
    """

    group: ClassVar[str]
    noun: ClassVar[str]
    error: ClassVar[type[XmasError]]

    def __init__(self, built_in: Mapping[str, T]) -> None:
        self._found: dict[str, T] = dict(built_in)
        self._packages: dict[str, OutsidePackage] = {}
        self._problems: dict[str, str] = {}
        self._searched = False
        self._lock = threading.RLock()

    @abstractmethod
    def _accepted(self, loaded: object, name: str | None) -> T:
        """What was loaded, as it is kept; ``ValueError`` with the end of a sentence if it cannot serve."""

    def package(self, name: str) -> OutsidePackage | None:
        """The other package that one comes from; None for one of our own or of a script."""
        self._search()
        return self._packages.get(name)

    def problems(self) -> dict[str, str]:
        """Why those of installed packages cannot be used: a sentence by name."""
        self._search()
        return dict(self._problems)

    def __getitem__(self, name: str) -> T:
        if name not in self._found:
            self._search()
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        self._search()
        return iter(self._found)

    def __len__(self) -> int:
        self._search()
        return len(self._found)

    def _search(self) -> None:
        """Add what installed packages name, once; in the order of names and packages."""
        with self._lock:
            if self._searched:
                return
            self._searched = True
            points = sorted(
                entry_points(group=self.group), key=lambda point: (point.name, _package_of(point).distribution)
            )
            times = Counter(point.name for point in points)
            for point in points:
                package = _package_of(point)
                try:
                    if times[point.name] > 1:
                        raise self.error(f"{self._named(point.name, package)} is also in another package; remove one")
                    self._add(self._load(point, package), point.name, package=package)
                except XmasError as error:
                    self._problems[point.name] = str(error)

    def _add(self, loaded: object, name: str | None, *, package: OutsidePackage | None, replaces: bool = False) -> None:
        """Keep what was loaded under a name; ``self.error`` if it cannot serve, or the name is taken."""
        try:
            if name in self._found and not replaces:
                raise ValueError(f"has the name of {_full_name(self._found[name])}; use another")
            accepted = self._accepted(loaded, name)
        except ValueError as problem:
            raise self.error(f"{self._named(name, package)} {problem}") from None
        assert name is not None
        self._found[name] = accepted
        if package is not None:
            self._packages[name] = package

    def _load(self, point: EntryPoint, package: OutsidePackage) -> object:
        try:
            return point.load()
        except (Exception, SystemExit) as error:  # importing the code of others may raise anything
            words = " ".join(str(error).split())[:_MAX_REASON]
            raise self.error(
                f"{self._named(point.name, package)} cannot be imported from {point.value} ({type(error).__name__}: "
                f"{words}); repair or remove the package"
            ) from error

    def _named(self, name: object, package: OutsidePackage | None) -> str:
        return f"{self.noun} {name!r}" + (f" of package {package.distribution} {package.version}" if package else "")


def _package_of(point: EntryPoint) -> OutsidePackage:
    assert point.dist is not None, "importlib.metadata gives every installed entry point its distribution"
    return OutsidePackage(distribution=point.dist.name, version=point.dist.version)


def _full_name(found: object) -> str:
    kind = found if isinstance(found, type) else type(found)
    return f"{kind.__module__}.{kind.__qualname__}"
