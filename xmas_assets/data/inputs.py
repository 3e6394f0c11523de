"""What the platform reads, so that no output takes its place: sources, images, models, the home."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.data.benchmark_registration import BenchmarkRegistration
from xmas_assets.data.profiles import load_settings
from xmas_assets.data.registration import Registration
from xmas_assets.data.registration_file import RegistrationFile

Identity = str | tuple[int, int]
"""A path without links, or a file's device and number, which all its names share."""


class Inputs:
    """The inputs of some registered datasets and benchmarks, and of the home that they are registered in.

    Attributes:
        unread: Why a registration could not be read, so that its inputs are not known; None if all were read.
    """

    def __init__(
        self,
        registrations: Iterable[Registration | BenchmarkRegistration],
        *,
        home: Path | None = None,
        unread: str | None = None,
    ) -> None:
        """Note what the registrations name.

        Args:
            registrations: The datasets and benchmarks.
            home: The platform's folder.
            unread: See the class.
        """
        self.unread = unread
        self._registrations = tuple(registrations)
        self._home = frozenset() if home is None else _identities(home)
        self._sources: dict[Identity, str] = {}
        for registration in self._registrations:
            for path in registration.files():
                self._sources |= dict.fromkeys(_identities(path), _described(registration))

    @classmethod
    def of_home(cls, home: Path) -> Self:
        """The inputs of all datasets and benchmarks that are registered in a home."""
        registrations, unread = [], None
        kinds: tuple[type[Registration | BenchmarkRegistration], ...] = (Registration, BenchmarkRegistration)
        for kind, name in [(each, name) for each in kinds for name in each.names(home)]:
            try:
                registrations.append(kind.named(home, name))
            except SettingsError as error:
                unread = str(error)
        return cls(registrations, home=home, unread=unread)

    def why_never(self, path: Path) -> str | None:
        """Why nothing may be written at a path, whether a file is there or not; in words that follow its name."""
        for identity in _identities(path):
            if identity in self._sources:
                return f"is a source file of {self._sources[identity]}"
        if any(self._home & folder for folder in list(_folders(path))[1:]):
            return "is inside a folder of XMAS_HOME, which xmas_assets alone writes"
        return None

    def why_not_replaced(self, path: Path) -> str | None:
        """Why a file that is there, and is no output of ours, may not be replaced; in words that follow its name."""
        if any(self._home & folder for folder in _folders(path)):
            return "belongs to XMAS_HOME"
        for identity in _identities(path).union(*_folders(path)):
            if identity in self._named:
                return f"is read by {self._named[identity]}"
        return None

    @cached_property
    def _named(self) -> dict[Identity, str]:
        """Images folders, and the files and folders that settings name, each with what reads it."""
        named: dict[Identity, str] = {}
        for registration in self._registrations:
            paths = [registration.images] if registration.images is not None else []
            if isinstance(registration, Registration):
                settings = load_settings(registration.profile, registration.overrides)
                paths += [Path(text) for text in _texts(settings.model_dump()) if _is_path(text)]
            for path in paths:
                named |= dict.fromkeys(_identities(path), _described(registration))
        return named


def _described(registration: RegistrationFile) -> str:
    return f"{registration.kind} {registration.name!r}"


def _identities(path: Path) -> frozenset[Identity]:
    identities: set[Identity] = {os.path.realpath(path)}
    with suppress(OSError):
        status = path.stat()
        identities.add((status.st_dev, status.st_ino))
    return frozenset(identities)


def _folders(path: Path) -> Iterator[frozenset[Identity]]:
    """The folders that a path is in, from the nearest up."""
    return map(_identities, Path(os.path.realpath(path)).parents)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _is_path(text: str) -> bool:
    return os.sep in text and os.path.exists(text)  # noqa: PTH110 - a text too long for a path is just none
