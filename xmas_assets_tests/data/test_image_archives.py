"""Images in a ZIP or TAR file: the rows that a folder gives, and a reason for each image that cannot be read."""

import io
import tarfile
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from xmas_assets.contracts.errors import DatasetError, ImageError
from xmas_assets.data import image_archives
from xmas_assets.data.image_archives import ImageArchive
from xmas_assets.data.registration import Registration
from xmas_assets.home.home import Home
from xmas_assets.home.versions import current_versions
from xmas_assets_tests.data.making import exported, picture, read, record, seen, write

PICTURES = {"a.png": picture("red"), "sub/b.png": picture("blue"), "same.png": picture("red")}


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


MAKE = {"zip": zipped, "tar": tarred}


def rows_of(folder: Path, images: Path, **options) -> list[tuple]:
    records = [*(seen(id=name, image=name) for name in PICTURES), record(id="text"), seen(id="no", image="no.png")]
    registration = Registration.create("made", [write(folder, records)], images=images)
    result = read(registration, image_store=folder / "store", **options)
    assert [(row["source_id"], row["reason"]) for row in result.quarantine] == [("no", "image_missing")]
    return [(row["sample_id"], row["turns"], row["image_hashes"], row["digest"]) for row in result.samples]


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("kind", MAKE)
def test_an_archive_gives_the_rows_that_a_folder_gives(tmp_path, kind, workers):
    folder = tmp_path / "images"
    for name, data in PICTURES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    of_archive = rows_of(tmp_path, MAKE[kind](tmp_path / "images.archive", PICTURES), workers=workers)
    assert of_archive == rows_of(tmp_path, folder)
    assert len(of_archive) == 4


@pytest.mark.parametrize("kind", MAKE)
def test_another_picture_in_the_archive_makes_the_dataset_stale(tmp_path, kind):
    home = Home(tmp_path / "home")
    archive = MAKE[kind](tmp_path / "images", PICTURES)
    Registration.create("made", [write(tmp_path, [seen()])], images=archive).save(home.root)
    before = current_versions(home, "made")
    MAKE[kind](archive, PICTURES | {"a.png": picture("green")})
    after = current_versions(home, "made")
    assert {name for name in before if before[name] != after[name]} == {"source", "validation"}


@pytest.mark.parametrize("kind", MAKE)
def test_an_image_that_cannot_be_read_has_its_reason(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(image_archives, "MAX_FILE_BYTES", 1000)
    archive = ImageArchive(MAKE[kind](tmp_path / "a", {"a.png": b"x", "empty.png": b"", "large.png": bytes(1001)}))
    assert archive.read("a.png") == archive.read("./a.png") == b"x"
    for name, reason in {"b.png": "image_missing", "empty.png": "image_empty", "large.png": "image_too_large"}.items():
        with pytest.raises(ImageError) as refusal:
            archive.read(name)
        assert refusal.value.reason == reason
    with pytest.raises(ImageError, match="not in a, which holds 'a.png'"):
        archive.read("images/a.png")


@pytest.mark.parametrize("kind", MAKE)
def test_rows_written_as_parquet_hold_the_pictures_of_the_archive(tmp_path, kind):
    archive = MAKE[kind](tmp_path / "images", PICTURES)
    registration = Registration.create("made", [write(tmp_path, [seen(image="sub/b.png")])], images=archive)
    exported(registration, [(0, 0)], tmp_path / "out.parquet", "parquet")
    [row] = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert row["images"] == [{"bytes": PICTURES["sub/b.png"], "path": "sub/b.png"}]


def test_a_picture_that_is_there_twice_is_not_guessed(tmp_path):
    path = zipped(tmp_path / "a.zip", {"a.png": b"1"})
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a.png", b"2")
    with pytest.raises(ImageError, match="2 times"):
        ImageArchive(path).read("a.png")


def test_links_are_not_followed(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("a.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/hostname")
    with pytest.raises(ImageError, match="link"):
        ImageArchive(path).read("a.png")


def test_a_damaged_picture_is_unreadable_and_a_damaged_archive_refused(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", b"abcdefgh" * 9)
        archive.writestr("b.png", b"whole")
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"abcdefgh", b"abcdefgX", 1))
    damaged = ImageArchive(path)
    assert damaged.read("b.png") == b"whole"
    with pytest.raises(ImageError, match="CRC"):
        damaged.read("a.png")
    path.write_bytes(whole[:-30])
    with pytest.raises(DatasetError, match="not a readable ZIP or TAR file"):
        ImageArchive(path)


def test_a_tar_file_that_was_cut_off_is_refused(tmp_path):
    whole = tarred(tmp_path / "a.tar", PICTURES).read_bytes()
    for length in (512, 700, 1024, 1536):
        cut = write(tmp_path, whole[:length], "cut.tar")
        with pytest.raises(DatasetError, match="cut off|not a readable"):
            ImageArchive(cut)


def test_what_is_no_archive_is_refused_with_what_is_read(tmp_path):
    with pytest.raises(DatasetError, match="not a readable ZIP or TAR file"):
        ImageArchive(write(tmp_path, picture(), "a.png"))
    with pytest.raises(DatasetError, match="gunzip"):
        ImageArchive(write(tmp_path, b"\x1f\x8b\x08", "a.tar.gz"))
