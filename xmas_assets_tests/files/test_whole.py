import errno
import os
from hashlib import sha256
from pathlib import Path

import pytest

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.files.whole import (
    check_readable,
    file_sha256,
    remove_unfinished,
    rename_all,
    replacing,
    replacing_folder,
)


def test_the_hash_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    assert file_sha256(tmp_path / "a") == sha256(b"x" * 3_000_000).hexdigest()


def test_a_full_disk_leaves_the_old_file_and_no_rest(tmp_path, monkeypatch):
    target = tmp_path / "a"
    target.write_text("old")

    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"), replacing(target) as temporary:
        temporary.write_bytes(b"new")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_replaced_file_is_whole_and_as_readable_as_the_umask_says(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        replace_by_new(tmp_path)
    finally:
        os.umask(before)
    assert (tmp_path / "new" / "a").read_text() == "new"
    assert (tmp_path / "new" / "a").stat().st_mode & 0o777 == mode


def replace_by_new(tmp_path):
    with replacing(tmp_path / "new" / "a") as temporary:
        temporary.write_text("new")
        assert not (tmp_path / "new" / "a").exists()


def test_what_is_no_readable_file_is_told(tmp_path, monkeypatch):
    with pytest.raises(DatasetError, match="does not exist"):
        check_readable(tmp_path / "none")
    with pytest.raises(DatasetError, match="not a regular file"):
        check_readable(tmp_path)
    monkeypatch.setattr("os.access", lambda *_: False)
    (tmp_path / "a").touch()
    with pytest.raises(DatasetError, match="may not be read"):
        check_readable(tmp_path / "a")


def test_a_folder_appears_whole_and_after_an_error_not_at_all(tmp_path):
    with replacing(tmp_path / "model") as unfinished:
        unfinished.mkdir()
        (unfinished / "weights").write_text("w")
        assert not (tmp_path / "model").exists()
    with pytest.raises(ValueError, match="stop"), replacing(tmp_path / "other") as unfinished:
        unfinished.mkdir()
        (unfinished / "weights").write_text("w")
        raise ValueError("stop")
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "weights"]


@pytest.mark.parametrize("failing", ["former", "unfinished"])
def test_a_folder_is_replaced_whole_and_stays_where_the_new_one_cannot_take_its_name(tmp_path, monkeypatch, failing):
    model = tmp_path / "model"
    for text in ("first", "second"):
        with replacing_folder(model) as unfinished:
            unfinished.mkdir()
            (unfinished / text).write_text(text)
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "second"]
    rename = Path.replace

    def fail(self, target):
        if self == (model if failing == "former" else unfinished):
            raise KeyboardInterrupt
        return rename(self, target)

    with pytest.raises(KeyboardInterrupt), replacing_folder(model) as unfinished:
        unfinished.mkdir()
        monkeypatch.setattr(Path, "replace", fail)
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "second"]


def test_everything_is_on_disk_before_a_name_is_given_and_the_name_after(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, Path.replace

    def synced(handle):
        events.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        fsync(handle)

    def renamed(self, target):
        events.append(f"-> {target.name}")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    for name in ("a", "b"):
        (tmp_path / f"{name}.unfinished").write_text(name)
    rename_all({tmp_path / f"{name}.unfinished": tmp_path / name for name in ("a", "b")})
    assert events == ["a.unfinished", "b.unfinished", "-> a", "-> b", tmp_path.name]


def test_what_a_killed_process_left_is_removed_and_named(tmp_path):
    (tmp_path / ".a.0123.unfinished").write_text("half")
    (tmp_path / ".model.4567.unfinished").mkdir()
    (tmp_path / "whole").touch()
    assert remove_unfinished(tmp_path) == [".a.0123.unfinished", ".model.4567.unfinished"]
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]
