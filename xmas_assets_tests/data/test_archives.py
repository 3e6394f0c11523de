"""Hostile archives, as annotations and as images: refused whole or row by row, and nothing of them is unpacked."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from xmas_assets.contracts.errors import XmasError
from xmas_assets.data.readers import read_records
from xmas_assets.data.registration import Registration
from xmas_assets_tests.data.making import read, record, seen, write


def tar(path: Path, *members: tuple[str, bytes, str]) -> None:
    """Members by name, type and where they lead; regular ones hold a byte."""
    with tarfile.open(path, "w") as archive:
        for name, kind, lead in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, lead, 1 if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(b"x"))


def zipped(path: Path, *members: tuple[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)


ARCHIVES: dict[str, Callable[[Path], None]] = {
    "tar out of its folder": lambda path: tar(path, ("../out.png", tarfile.REGTYPE, "")),
    "tar with an absolute name": lambda path: tar(path, ("/tmp/out.png", tarfile.REGTYPE, "")),  # noqa: S108
    "tar through a link": lambda path: tar(path, ("l", tarfile.SYMTYPE, ".."), ("l/out.png", tarfile.REGTYPE, "")),
    "tar with a hard link": lambda path: tar(path, ("out.png", tarfile.LNKTYPE, "/etc/hostname")),
    "tar with a device": lambda path: tar(path, ("out.png", tarfile.CHRTYPE, "")),
    "zip with backslashes": lambda path: zipped(path, ("..\\out.png", b"x")),
    "zip with a ratio of 1000": lambda path: zipped(path, ("out.png", b"\0" * 10_000_000)),
    "webdataset key without image": lambda path: tar(path, ("a.json", tarfile.REGTYPE, "")),
    "webdataset key without json": lambda path: tar(path, ("a.png", tarfile.REGTYPE, "")),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_is_refused_and_nothing_of_it_is_unpacked(tmp_path, kind):
    train = write(tmp_path / "data", [record()])
    archive = tmp_path / "data" / "archive"
    ARCHIVES[kind](archive)
    before = sorted(tmp_path.rglob("*"))
    try:
        records = list(read_records((archive,)))
    except XmasError as refusal:
        assert kind.startswith("zip")
        assert "\n" not in str(refusal)
    else:  # read as a WebDataset shard
        assert all(record.reason is not None and "\n" not in record.detail for record in records)
    names = ["../out.png", "/tmp/out.png", "l/out.png", "out.png", "..\\out.png", "l", "a.json", "a.png"]  # noqa: S108
    write(tmp_path / "data", [record(), *(seen(id=name, image=name) for name in names)])
    result = read(Registration.create("made", [train], images=archive), image_store=tmp_path / "store")
    assert [row["source_id"] for row in result.quarantine] == names
    assert sorted(tmp_path.rglob("*")) == before
