"""A small home with sources, pictures, settings and tables that an export could run into."""

from pathlib import Path

from xmas_assets.data.inputs import Inputs
from xmas_assets.data.registration import Registration
from xmas_assets_tests.data.making import exported, picture, record, write


class World:
    """A home with two datasets, ``made`` and ``other``, whose files and pictures are in ``data``."""

    def __init__(self, root: Path) -> None:
        self.root, self.data, self.home = root, root / "data", root / "home"
        for name in ("a.json", "b.json", "test.json", "validation.json", "other.json"):
            write(self.data, [record(id=str(index)) for index in range(2)], name)
        write(self.data, picture(), "images/a.json")
        self.made = Registration.create(
            "made",
            [self.data / "a.json", self.data / "b.json"],
            test=[self.data / "test.json"],
            validation=[self.data / "validation.json"],
            images=self.data / "images",
            overrides={"base_model": {"source": str(self.data / "model")}},
        )
        write(self.data, b"{}", "model/config.json")
        other = Registration.create("other", [self.data / "other.json"])
        for registration in (self.made, other):
            registration.save(self.home)
        write(self.home, b"{}", "tables/raw_dataset/k.json")
        write(self.home, b"{}", "addresses.json")

    def export(self, to: Path, *, row: int = 0, **options) -> bytes:
        return exported(self.made, [(0, row)], to, inputs=Inputs.of_home(self.home), **options)

    def state(self) -> dict[str, tuple]:
        """Everything below the root: kind, mode, and content or where a link leads."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            status = path.lstat()
            content = path.read_bytes() if path.is_file() else None
            lead = path.readlink() if path.is_symlink() else None
            found[str(path.relative_to(self.root))] = (status.st_mode, status.st_ino, content, lead)
        return found


def link(path: Path, to: Path) -> Path:
    path.symlink_to(to)
    return path


def hard_link(path: Path, to: Path) -> Path:
    path.hardlink_to(to)
    return path
