import errno
import os
import socket
import unicodedata
from hashlib import sha256

import pytest

from xmas_assets.contracts.errors import ImageError
from xmas_assets.data import images
from xmas_assets.data.images import ImageRoot, store_image
from xmas_assets_tests.data.making import image_root, picture


@pytest.fixture
def root(tmp_path):
    return image_root(tmp_path)


def reason(root, ref) -> str:
    with pytest.raises(ImageError) as caught:
        ImageRoot(root).open(ref)
    assert "\n" not in str(caught.value)
    return caught.value.reason


def test_an_image_opens_as_rgb(root):
    assert ImageRoot(root).open("a.png").getpixel((0, 0)) == (255, 0, 0)


def test_a_missing_file_is_told(root):
    assert reason(root, "b.png") == "image_missing"
    assert reason(root, "a.png/b.png") == "image_missing"
    assert reason(root, "x" * 5000) == "image_missing"


@pytest.mark.parametrize("ref", ["", ".", "./", "a\x00.png"])
def test_a_reference_that_can_name_no_file_is_missing(root, ref):
    assert reason(root, ref) == "image_missing"


def test_a_file_of_zero_bytes_is_told(root):
    (root / "b.png").touch()
    assert reason(root, "b.png") == "image_empty"


def test_the_content_decides_not_the_ending(root):
    (root / "b.jpg").write_bytes(picture(kind="GIF"))
    (root / "c.jpg").write_text("<html>404</html>")
    assert ImageRoot(root).open("b.jpg").size == (8, 8)
    assert reason(root, "c.jpg") == "image_format"


OUTSIDE = [
    "../secret.png",
    "sub/../../secret.png",
    "a/../a.png",
    "/etc/passwd",
    "//host/share/a.png",
    "\\\\host\\share\\a.png",
    "..\\secret.png",
    "sub\\..\\..\\secret.png",
    "C:\\a.png",
    "C:/a.png",
    "file:///etc/passwd",
    "http://169.254.169.254/latest/meta-data",
    "HTTPS://example.org/a.png",
    "s3://bucket/a.png",
    "data:image/png;base64,AAAA",
    "%2e%2e/secret.png",
    "%2E%2E%2Fsecret.png",
    "%252e%252e/secret.png",
    "..%5csecret.png",
    "%2Fetc/passwd",
    "file%3A//etc/passwd",
]


@pytest.mark.parametrize("ref", OUTSIDE)
def test_a_reference_that_leads_out_is_refused_from_its_text_without_open_or_request(root, ref, monkeypatch):
    (root.parent / "secret.png").write_bytes(picture())
    opener = ImageRoot(root)
    for module, name in ((os, "open"), (os, "lstat"), (os, "stat"), (os, "scandir"), (socket, "socket")):
        monkeypatch.setattr(module, name, lambda *_, name=name, **__: pytest.fail(f"{name} was called"))
    with pytest.raises(ImageError) as caught:
        opener.open(ref)
    assert caught.value.reason == "image_outside_root"


@pytest.mark.parametrize(
    "ref", ["{root}/sub/b c.png", "file://{root}/sub/b%20c.png", "file://localhost{root}/sub/b c.png", "sub\\b c.png"]
)
def test_a_picture_in_the_root_is_found_by_its_absolute_path_as_an_address_and_with_back_slashes(root, ref):
    (root / "sub").mkdir()
    (root / "sub" / "b c.png").write_bytes(picture())
    named = ref.format(root=root)
    assert ImageRoot(root).open(named).size == (8, 8)
    assert ImageRoot(root).relative(named) == "sub/b c.png"


def test_an_absolute_path_is_found_under_either_name_of_a_linked_root(root, tmp_path):
    (tmp_path / "link").symlink_to(root)
    for ref in (f"{root}/a.png", f"{tmp_path}/link/a.png"):
        assert ImageRoot(tmp_path / "link").open(ref).size == (8, 8)


@pytest.mark.parametrize("ref", ["{root}x/a.png", "{root}/../secret.png", "file://{root}/%2e%2e/secret.png"])
def test_an_absolute_path_that_only_begins_like_the_root_is_refused(root, ref):
    (root.parent / "secret.png").write_bytes(picture())
    assert reason(root, ref.format(root=root)) == "image_outside_root"


@pytest.mark.parametrize("name", ["https%3A%2F%2Fexample.org%2Fa.png", "C:a.png", "a:b.png", "time 12:30.png"])
def test_a_name_that_only_looks_like_an_address_or_a_drive_is_found(root, name):
    (root / name).write_bytes(picture())
    assert ImageRoot(root).open(name).size == (8, 8)


def test_an_address_is_refused_with_the_way_on(root):
    with pytest.raises(ImageError, match="is an address: nothing is downloaded; save it .*wget"):
        ImageRoot(root).open("https://example.org/a.png")


def test_a_link_out_of_the_root_is_refused_and_one_inside_is_followed(root):
    (root.parent / "secret.png").write_bytes(picture())
    (root / "out.png").symlink_to(root.parent / "secret.png")
    (root / "dir").symlink_to(root.parent)
    (root / "in.png").symlink_to("a.png")
    (root / "loop.png").symlink_to("loop.png")
    assert reason(root, "out.png") == "image_outside_root"
    assert reason(root, "dir/secret.png") == "image_outside_root"
    assert reason(root, "dir/SECRET.png") in {"image_outside_root", "image_missing"}
    assert ImageRoot(root).open("in.png").size == (8, 8)
    assert reason(root, "loop.png") in {"image_unreadable", "image_not_a_file"}


def test_a_root_that_is_itself_a_link_works(root, tmp_path):
    (tmp_path / "link").symlink_to(root)
    assert ImageRoot(tmp_path / "link").open("a.png").size == (8, 8)


def test_a_file_swapped_for_a_link_before_opening_is_not_followed(root, monkeypatch):
    (root.parent / "secret.png").write_bytes(picture("blue"))
    true_lstat = os.lstat

    def swapping_lstat(path):
        status = true_lstat(path)
        if str(path).endswith("a.png"):
            path.unlink()
            path.symlink_to(root.parent / "secret.png")
        return status

    opener = ImageRoot(root)
    monkeypatch.setattr(ImageRoot, "resolve", lambda self, ref: root / ref)
    monkeypatch.setattr(images.os, "lstat", swapping_lstat)
    with pytest.raises(ImageError, match="image_unreadable"):
        opener.read("a.png")


@pytest.mark.timeout(10)
def test_pipes_devices_sockets_and_folders_are_refused_without_waiting(root, monkeypatch):
    os.mkfifo(root / "pipe.png")
    (root / "folder.png").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(root)  # a socket's name may be no longer than some hundred bytes
        server.bind("socket.png")
        assert reason(root, "pipe.png") == "image_not_a_file"
        assert reason(root, "folder.png") == "image_not_a_file"
        assert reason(root, "socket.png") == "image_not_a_file"


def test_a_device_is_refused():
    from pathlib import Path

    assert reason(Path("/dev"), "zero") == "image_not_a_file"


def test_names_differing_in_case_or_normal_form_are_found(root):
    composed = unicodedata.normalize("NFC", "é.png")
    (root / unicodedata.normalize("NFD", "é.png")).write_bytes(picture())
    (root / "Sub").mkdir()
    (root / "Sub" / "Photo.PNG").write_bytes(picture())
    opener = ImageRoot(root)
    assert opener.open(composed).size == (8, 8)
    assert opener.open("sub/photo.png").size == (8, 8)


def test_two_names_that_differ_only_in_case_are_never_guessed_between(root):
    for name in ("B.png", "b.PNG"):
        (root / name).write_bytes(picture())
    assert reason(root, "b.png") == "image_missing"
    assert ImageRoot(root).open("B.png").size == (8, 8)


@pytest.mark.parametrize("name", ["a b.png", "a\nb.png", "100%.png", "a;$(id).png", "'a'.png", "..a.png", "é.png"])
def test_odd_but_harmless_names_are_opened(root, name):
    (root / name).write_bytes(picture())
    assert ImageRoot(root).open(name).size == (8, 8)


def test_permission_denied_is_told_at_once(root, monkeypatch):
    calls = []

    def refusing(path, flags):
        calls.append(path)
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(images.os, "open", refusing)
    assert reason(root, "a.png") == "image_unreadable"
    assert len(calls) == 1


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE])
def test_a_passing_disk_error_is_retried_then_told(root, monkeypatch, code):
    monkeypatch.setattr(images.time, "sleep", lambda seconds: None)
    failures = iter([True, True, False, True, True, True])
    true_open = os.open

    def failing(path, flags):
        if next(failures):
            raise OSError(code, os.strerror(code))
        return true_open(path, flags)

    monkeypatch.setattr(images.os, "open", failing)
    assert ImageRoot(root).read("a.png") == picture()
    assert reason(root, "a.png") == "image_unreadable"


def test_a_file_beyond_the_byte_limit_is_not_read(root, monkeypatch):
    monkeypatch.setattr(images, "MAX_FILE_BYTES", 10)
    assert reason(root, "a.png") == "image_too_large"


def test_an_image_replaced_since_the_scan_is_detected_by_its_hash(root):
    expected = sha256(picture()).hexdigest()
    opener = ImageRoot(root)
    assert opener.open("a.png", expected).size == (8, 8)
    (root / "a.png").write_bytes(picture("blue"))
    with pytest.raises(ImageError, match="image_changed: .*read it again"):
        opener.open("a.png", expected)


def test_no_registered_folder_is_told(tmp_path):
    assert reason(None, "a.png") == "image_missing"


def test_bytes_are_stored_once_under_their_hash_and_open_again(tmp_path):
    ref = store_image(picture(), tmp_path)
    digest = sha256(picture()).hexdigest()
    assert ref == store_image(picture(), tmp_path) == f"store:{digest[:2]}/{digest}.png"
    assert ImageRoot(None, tmp_path).open(ref, digest).size == (8, 8)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_a_half_written_stored_image_is_written_again(tmp_path):
    target = tmp_path / store_image(picture(), tmp_path).removeprefix("store:")
    target.write_bytes(b"half")
    store_image(picture(), tmp_path)
    assert target.read_bytes() == picture()


def test_half_a_million_files_in_a_folder_are_not_listed_per_image(root, monkeypatch):
    """Only names that are not found list the folder, once; 1,000 lookups of 200 missing names list it once."""
    listings = []
    true_scandir = os.scandir
    monkeypatch.setattr(images.os, "scandir", lambda path: listings.append(path) or true_scandir(path))
    opener = ImageRoot(root)
    for index in range(1000):
        opener.read("a.png")
        with pytest.raises(ImageError):
            opener.read(f"missing{index % 200}.png")
    assert len(listings) == 1
