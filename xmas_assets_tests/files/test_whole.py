import errno
import os
from hashlib import sha256
from pathlib import Path

import pytest

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.files.whole import check_readable, file_sha256, replacing


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
