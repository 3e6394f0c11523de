"""Versions of a dataset's files and settings, so that a change is seen without reading the files; and of the code."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from xmas_assets.contracts.libraries import library_versions
from xmas_assets.contracts.settings import Settings
from xmas_assets.data.profiles import profile_path
from xmas_assets.data.registration import Registration
from xmas_assets.home.home import Home

_READ_FIELDS = {"images", "format", "duplicates"}
BENCHMARKS = "benchmarks"
_FILES = {"source": ("annotations", "test"), "validation": ("validation",)}  # by section


def current_versions(home: Home, dataset: str) -> dict[str, str]:
    """Version of every section of a dataset's files and settings; equal versions mean that nothing changed."""
    settings, registration = home.settings(dataset), home.registration(dataset)
    sections = {name: section.digest() for name, section in settings.sections().items()}
    for section, fields in _FILES.items():
        described = registration.model_dump_json(include={*fields, *_READ_FIELDS})
        paths = [path for field in fields for path in getattr(registration, field)]
        sections[section] = _files_version(described, paths)
    sections[BENCHMARKS] = benchmarks_version(home, registration.benchmarks)
    ratings = settings.quality.ratings
    return sections | ({"quality": _files_version(sections["quality"], [Path(ratings)])} if ratings else {})


def benchmarks_version(home: Home, names: Iterable[str]) -> str:
    """Version of some benchmarks' registrations and files; raises as ``Benchmarks.registration``."""
    registrations = [home.benchmarks.registration(name) for name in sorted(names)]
    described = "\n".join(registration.model_dump_json() for registration in registrations)
    return _files_version(described, [path for registration in registrations for path in registration.files()])


def current_values(home: Home, dataset: str) -> dict[str, dict[str, Any]]:
    """The values behind ``current_versions``, for people to read, by section."""
    registration = home.registration(dataset)
    files = {
        section: registration.model_dump(mode="json", include={*fields, *_READ_FIELDS})
        for section, fields in _FILES.items()
    }
    files[BENCHMARKS] = {"benchmarks": list(registration.benchmarks)}
    sections = home.settings(dataset).sections()
    return files | {name: section.model_dump(mode="json") for name, section in sections.items()}


def section_names() -> list[str]:
    """Every section of a dataset's files and settings."""
    return [*_FILES, BENCHMARKS, *Settings().sections()]


def watched_files(home: Home, dataset: str) -> list[Path]:
    """Every file that ``current_versions`` depends on: the registration, its profile, and what they name."""
    registration, ratings = home.registration(dataset), home.settings(dataset).quality.ratings
    named = [path for fields in _FILES.values() for field in fields for path in getattr(registration, field)]
    for name in registration.benchmarks:
        named += [home.benchmarks.registration_path(name), *home.benchmarks.registration(name).files()]
    own = [Registration.path(home.root, dataset), profile_path(registration.profile)]
    return own + named + ([Path(ratings)] if ratings else [])


def code_version() -> str:
    """Version of this package and a digest of its sources, which tells two states of one version apart."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package).as_posix()}\n".encode() + path.read_bytes())
    return f"xmas-assets {library_versions(('xmas-assets',))['xmas-assets']}, sources {digest.hexdigest()[:12]}"


def files_fingerprint(paths: Iterable[Path]) -> str:
    """Hash of the files' names, sizes and times: another one means that something may have changed."""
    return _files_version("", paths)


def _files_version(described: str, paths: Iterable[Path]) -> str:
    """Version of files from names, sizes and times, and of how they are read: cheap enough for a sensor.

    A file touched without a change makes ``raw_dataset`` stale; its content hash then stops the staleness there.
    """
    parts = [described]
    for path in paths:
        try:
            status = path.stat()
            parts.append(f"{path}:{status.st_size}:{status.st_mtime_ns}")
        except OSError:
            parts.append(f"{path}:missing")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
