"""Versions of a dataset's files and settings, so that a change is seen without reading the files; and of the code."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from xmas_assets.contracts.libraries import library_versions
from xmas_assets.contracts.settings import Settings
from xmas_assets.data.benchmark_registration import BenchmarkRegistration
from xmas_assets.data.profiles import profile_path
from xmas_assets.data.registration import Registration
from xmas_assets.evaluation.benchmarks.registry import benchmark_package
from xmas_assets.files.model_content import model_files
from xmas_assets.home.forgotten import forgotten_path, read_forgotten
from xmas_assets.home.home import Home
from xmas_assets.home.seen_files import seen_files
from xmas_assets.home.seen_models import seen_models

_READ_FIELDS = {"images", "format", "duplicates"}
_READ_IF_SET = {"columns", "task_from"}  # left out while unset, so that the versions of older homes stay as they are
BENCHMARKS = "benchmarks"
_FILES = {"source": ("annotations", "test"), "validation": ("validation",)}  # by section


def current_versions(home: Home, dataset: str) -> dict[str, str]:
    """Version of every section of a dataset's files and settings; equal versions mean that nothing changed."""
    settings, registration = home.settings(dataset), home.registration(dataset)
    sections = {name: section.digest() for name, section in settings.sections().items()}
    forgotten = read_forgotten(home.root, dataset)
    for section, fields in _FILES.items():
        described = registration.model_dump_json(include={*fields, *_read_fields(registration)})
        paths = _paths(registration, fields)
        seen = seen_files(home, dataset, section)
        more = [change] if (change := seen.images.change()) else []
        more += [f"without {forgotten.version()}"] if forgotten else []
        sections[section] = _files_version("\n".join([described, *more]), paths, seen.records.versions())
    for model in seen_models(home, dataset):
        if change := model.notes.change():
            sections[model.section] = _files_version("\n".join([sections[model.section], change]), [])
    for trained in _of_first_rows(settings) if registration.grown else ():
        sections[trained] = _files_version(f"{sections[trained]}\nof the first {registration.grown[0]} rows", [])
    if kept := kept_growth(home, dataset):
        sections["methods"] = _files_version(f"{sections['methods']}\nkept of the first {kept} rows", [])
    sections[BENCHMARKS] = benchmarks_version(home, registration.benchmarks)
    if registration.exclude_contaminated:  # then a selection depends on what its rows are compared with
        asked = [f"{name} {items_version(home, name)}" for name in sorted(registration.benchmarks)]
        sections["methods"] = _files_version("\n".join([sections["methods"], *asked]), [])
    ratings = settings.quality.ratings
    return sections | ({"quality": _files_version(sections["quality"], [Path(ratings)])} if ratings else {})


def kept_growth(home: Home, dataset: str) -> tuple[int, ...]:
    """Rows that there were each time before others came, if what was chosen from these is kept; else nothing."""
    return home.registration(dataset).grown if home.settings(dataset).methods.when_grown == "keep" else ()


def _of_first_rows(settings: Settings) -> tuple[str, ...]:
    """Sections of what stays as it was when a dataset grows."""
    return ("proxy", "warmup", *(["clusters"] if settings.clusters.when_grown == "assign" else []))


def benchmarks_version(home: Home, names: Iterable[str]) -> str:
    """Version of some benchmarks' registrations and files; raises as ``Benchmarks.registration``."""
    registrations = [home.benchmarks.registration(name) for name in sorted(names)]
    described = "\n".join(_described(home, registration) for registration in registrations)
    paths = [path for registration in registrations for path in registration.files()]
    ratings = [path for registration in registrations for path in home.benchmarks.ratings(registration.name)]
    return _files_version(described, [*paths, *ratings])


def items_version(home: Home, name: str) -> str:
    """Version of what a benchmark's questions are read from; another judge asks no other questions."""
    registration = home.benchmarks.registration(name)
    return _files_version(_described(home, registration.model_copy(update={"judge": None})), registration.files())


def _described(home: Home, registration: BenchmarkRegistration) -> str:
    """A registration and, only where there are any, the other package of its benchmark and images that changed."""
    package, change = benchmark_package(registration.form), home.benchmarks.images(registration.name).change()
    more = [package.model_dump_json()] if package else []
    return "\n".join([registration.model_dump_json(), *more, *([change] if change else [])])


def current_values(home: Home, dataset: str) -> dict[str, dict[str, Any]]:
    """The values behind ``current_versions``, for people to read, by section."""
    registration = home.registration(dataset)
    files = {
        section: registration.model_dump(mode="json", include={*fields, *_read_fields(registration)})
        for section, fields in _FILES.items()
    }
    files[BENCHMARKS] = {"benchmarks": list(registration.benchmarks)}
    settings = home.settings(dataset)
    sections = settings.sections()
    values = {name: section.model_dump(mode="json") for name, section in sections.items()}
    for trained in _of_first_rows(settings) if registration.grown else ():
        values[trained] |= {"of_first_rows": registration.grown[0]}
    if kept := kept_growth(home, dataset):
        values["methods"] |= {"kept_of_first_rows": list(kept)}
    if registration.exclude_contaminated:
        values["methods"] |= {"exclude_contaminated": True} | files[BENCHMARKS]
    return files | values


def _paths(registration: Registration, fields: Iterable[str]) -> list[Path]:
    """The files of records that some fields name, and the archive of the images."""
    archive = registration.image_archive()
    return [path for field in fields for path in getattr(registration, field)] + ([archive] if archive else [])


def _read_fields(registration: Registration) -> set[str]:
    """The fields that say how records are read, but for those that are not used."""
    return _READ_FIELDS | {field for field in _READ_IF_SET if getattr(registration, field) is not None}


def section_names() -> list[str]:
    """Every section of a dataset's files and settings."""
    return [*_FILES, BENCHMARKS, *Settings().sections()]


def watched_files(home: Home, dataset: str) -> list[Path]:
    """Every file that ``current_versions`` depends on: the registration, its profile, and what they name."""
    registration, ratings = home.registration(dataset), home.settings(dataset).quality.ratings
    named = [path for fields in _FILES.values() for path in _paths(registration, fields)]
    for name in registration.benchmarks:
        named += [home.benchmarks.registration_path(name), *home.benchmarks.registration(name).files()]
        named += home.benchmarks.ratings(name)
    for model in seen_models(home, dataset):
        named += [model.directory, *model_files(model.directory)]
    own = [Registration.path(home.root, dataset), profile_path(registration.profile)]
    own += [path for path in [forgotten_path(home.root, dataset)] if path.exists()]
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


def _files_version(described: str, paths: Iterable[Path], contents: Mapping[str, str] = MappingProxyType({})) -> str:
    """Version of files from names, sizes and times, and of how they are read: cheap enough for a sensor.

    Args:
        described: How they are read.
        paths: The files.
        contents: What stands for a file's content, by path, where that is known. Any other file has another version
            once it is touched without a change; the content hash of what is made from it stops the staleness there.
    """
    parts = [described]
    for path in paths:
        if str(path) in contents:
            parts.append(f"{path}:{contents[str(path)]}")
            continue
        try:
            status = path.stat()
            parts.append(f"{path}:{status.st_size}:{status.st_mtime_ns}")
        except OSError:
            parts.append(f"{path}:missing")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
