"""The benchmarks that are registered in a home."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.data.benchmark_registration import BenchmarkRegistration
from xmas_assets.data.images import ImageRoot
from xmas_assets.evaluation.benchmarks.registry import benchmark_named


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
        benchmark_named(registration.form)
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
        benchmark_named(registration.form)
        registration.check_sources()

    def forget(self, name: str) -> None:
        """Delete a benchmark's registration, its items and the answers to it; never a user's own files."""
        path = self.registration_path(name)
        for pattern in (quote(partition_of(name), safe=""), f"{quote(partition_of(name) + '|', safe='')}*"):
            for folder in self.root.glob(f"work/*/{pattern}"):
                shutil.rmtree(folder)
        path.unlink()

    def open_image(self, name: str) -> Callable[..., Image.Image]:
        """Opener of a benchmark's images, confined to their folder."""
        return ImageRoot(self.registration(name).images, self.root / "images").open


def partition_of(name: str) -> str:
    """What a benchmark's work is named by; no dataset can have this name."""
    return f"benchmark:{name}"
