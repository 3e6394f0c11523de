"""The benchmarks that are registered in a home."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from xmas_assets.contracts.annotation import JudgeSettings
from xmas_assets.contracts.errors import SettingsError
from xmas_assets.data.benchmark_registration import BenchmarkRegistration
from xmas_assets.data.images import ImageRoot
from xmas_assets.data.registration_file import replace_line
from xmas_assets.evaluation.benchmarks.registry import BENCHMARKS, benchmark_named
from xmas_assets.files.whole import remove
from xmas_assets.home.file_notes import FileNotes
from xmas_assets.store.reading import SUFFIX

ITEMS = "benchmark_items"
"""The work that reads official files into items."""
COMPARED = "contamination"
"""The work that compares a dataset's rows with a benchmark, under the names of both."""


@dataclass(frozen=True)
class Benchmarks:
    """The registered benchmarks of a home.

    Attributes:
        root: The home's folder.
    """

    root: Path

    def names(self) -> list[str]:
        """Names of the registered benchmarks, sorted."""
        return BenchmarkRegistration.names(self.root)

    def registration(self, name: str) -> BenchmarkRegistration:
        """A benchmark's registration, from ``benchmarks/<name>.yaml``.

        Raises:
            SettingsError: If there is none, or it is not valid.
        """
        registration = BenchmarkRegistration.named(self.root, name)
        _check_form(registration)
        return registration

    def registration_path(self, name: str) -> Path:
        """The file of a benchmark's registration, which a person may edit; raises as ``registration``."""
        return BenchmarkRegistration.path(self.root, self.registration(name).name)

    def check_new(self, registration: BenchmarkRegistration) -> None:
        """Refuse a registration that cannot be added.

        Raises:
            SettingsError: If there is a benchmark of this name, or none of this form.
            DatasetError: If a file or the image folder is not there.
        """
        path = BenchmarkRegistration.path(self.root, registration.name)
        if path.exists():
            raise SettingsError(
                f"benchmark {registration.name!r} is there already; edit {path}, or run: xmas benchmark remove "
                f"{registration.name}"
            )
        _check_form(registration)
        registration.check_sources()

    def forget(self, name: str) -> None:
        """Delete a benchmark's registration, ratings and all work that was done on it; never a user's own files."""
        path = self.registration_path(name)
        items, compared = partition_of(name), f"{COMPARED}/*{quote(f'|{name}', safe='')}"
        for pattern in (f"*/{quote(items, safe='')}", f"*/{quote(f'{items}|', safe='')}*", compared):
            for folder in self.root.glob(f"work/{pattern}"):
                remove(folder)
        remove(self.root / "ratings" / name)
        path.unlink()

    def set_judge(self, name: str, fields: Mapping[str, Any] | None) -> JudgeSettings | None:
        """Have a judge score the answers to a benchmark, or nobody; returns the judge.

        Args:
            name: A registered benchmark.
            fields: Of ``JudgeSettings``; None for nobody.

        Raises:
            SettingsError: If there is no such benchmark, its answers are not for a judge to score, or a field is not
                allowed.
        """
        registration = self.registration(name)
        if not benchmark_named(registration.form).judged:
            judged = ", ".join(form for form, each in BENCHMARKS.items() if each.judged)
            raise SettingsError(f"{name} is scored without a judge; a judge scores {judged}")
        changed = registration.validated({**registration.model_dump(), "judge": fields}, where=f"benchmark {name!r}")
        values = changed.judge and changed.judge.model_dump(mode="json", exclude_defaults=True)
        replace_line(self.registration_path(name), "judge", values)
        return changed.judge

    def ratings(self, name: str) -> list[Path]:
        """The files of what people rated of a benchmark's answers, one per rater, by their names."""
        return sorted((self.root / "ratings" / name).glob(f"*{SUFFIX}"))

    def ratings_path(self, name: str, rater: str) -> Path:
        """Where the ratings of one rater lie, or will; ``SettingsError`` if nobody can have this name."""
        if re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", rater) is None:
            raise SettingsError(f"rater {rater[:80]!r} is not allowed; use 1 to 64 of a-z, 0-9, '_' and '-'")
        return self.root / "ratings" / self.registration(name).name / f"{rater}{SUFFIX}"

    def open_image(self, name: str) -> Callable[..., Image.Image]:
        """Opener of a benchmark's images, confined to their folder."""
        return self._image_root(name).open

    def images(self, name: str) -> FileNotes:
        """The notes on a benchmark's images."""
        folder = self.root / "work" / ITEMS / quote(partition_of(name), safe="")
        return FileNotes.of_images(folder / "images.json", self._image_root(name))

    def _image_root(self, name: str) -> ImageRoot:
        return ImageRoot(self.registration(name).images, self.root / "images")


def _check_form(registration: BenchmarkRegistration) -> None:
    """Refuse a form that is not known, or cannot be answered as the registration says."""
    benchmark = benchmark_named(registration.form)
    if registration.answering == "likelihood" and not benchmark.ranks_options:
        able = ", ".join(name for name, other in BENCHMARKS.items() if other.ranks_options)
        raise SettingsError(
            f"{benchmark.name} is not defined by the likelihood of options, only {able}; use 'answering: generate'"
        )


def partition_of(name: str) -> str:
    """What a benchmark's work is named by; no dataset can have this name."""
    return f"benchmark:{name}"
