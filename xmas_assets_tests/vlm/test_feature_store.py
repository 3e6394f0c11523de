import hashlib
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from xmas_assets.files import space
from xmas_assets.vlm.feature_store import FeatureStore

LIMIT = 1 << 20


def key(name: object) -> bytes:
    return hashlib.sha256(str(name).encode()).digest()


def features(number: int, n_pieces: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    values = torch.arange(n_pieces * 4 * 8, dtype=torch.float32).reshape(n_pieces, 4, 8)
    return (values / 7 + number).to(dtype)


def store_in(root: Path, tower: str = "tower", *, limit_bytes: int = LIMIT) -> FeatureStore:
    return FeatureStore(root, tower, limit_bytes=limit_bytes)


def kept(root: Path, numbers: range, **options: object) -> FeatureStore:
    store = store_in(root, **options)  # pyright: ignore[reportArgumentType]
    for number in numbers:
        store.add(key(number), features(number))
    store.commit()
    return store


def packs(root: Path, tower: str = "tower") -> list[Path]:
    return sorted((root / tower).glob("*.safetensors"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_another_run_finds_what_was_kept_bit_for_bit(tmp_path, dtype):
    store = store_in(tmp_path)
    for number in range(300):
        store.add(key(number), features(number, 1 + number % 3, dtype))
    assert torch.equal(store.get(key(7)), features(7, 2, dtype))
    store.commit()
    for reader in (store, store_in(tmp_path)):
        for number in range(300):
            found = reader.get(key(number))
            assert found.dtype == dtype
            assert torch.equal(found, features(number, 1 + number % 3, dtype))
        assert reader.get(key("another")) is None


def test_a_key_that_ends_in_zeros_is_found(tmp_path):
    store = store_in(tmp_path)
    keys = [bytes([1]) * (32 - n_zeros) + bytes(n_zeros) for n_zeros in range(4)]
    for number, own in enumerate(keys):
        store.add(own, features(number))
    store.commit()
    assert [store.get(own)[0, 0, 0].item() for own in keys] == [0, 1, 2, 3]


def test_a_run_sees_what_another_kept_meanwhile_once_it_keeps_something_itself(tmp_path):
    one, other = store_in(tmp_path), store_in(tmp_path)
    one.add(key(1), features(1))
    one.commit()
    assert other.get(key(1)) is None
    other.add(key(2), features(2))
    other.commit()
    assert torch.equal(other.get(key(1)), features(1))


def test_runs_side_by_side_keep_an_image_once(tmp_path):
    stores = [store_in(tmp_path) for _ in range(3)]
    for store in stores:
        for number in range(200):
            store.add(key(number), features(number))
    for store in stores:
        store.commit()
    of_one = kept(tmp_path, range(200), tower="other")
    assert [path.stat().st_size for path in packs(tmp_path)] == [packs(tmp_path, "other")[0].stat().st_size]
    assert all(torch.equal(store.get(key(7)), of_one.get(key(7))) for store in stores)


def test_what_is_not_committed_is_not_there_after_a_kill(tmp_path):
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from xmas_assets_tests.vlm.test_feature_store import *\n"
        "store = kept(Path(sys.argv[1]), range(3)); store.add(key(3), features(3))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert killed.returncode == -9
    store = store_in(tmp_path)
    assert [store.get(key(number)) is not None for number in range(4)] == [True, True, True, False]


def test_what_a_killed_process_left_unfinished_is_removed(tmp_path):
    kept(tmp_path, range(1))
    leftover = tmp_path / "tower" / ".pack.0123.unfinished"
    leftover.write_bytes(b"half")
    kept(tmp_path, range(2))
    assert not leftover.exists()


def test_processes_may_keep_the_same_images_at_once(tmp_path):
    program = (
        "import sys; from pathlib import Path\n"
        "from xmas_assets_tests.vlm.test_feature_store import *\n"
        "first = int(sys.argv[2])\n"
        "for number in range(first, first + 40): kept(Path(sys.argv[1]), range(number, number + 5))"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    running = [subprocess.Popen([*command, str(first)]) for first in (0, 20)]
    assert [process.wait() for process in running] == [0, 0]
    store = store_in(tmp_path)
    assert all(torch.equal(store.get(key(number)), features(number)) for number in range(64))


@pytest.mark.parametrize("damage", ["one byte", "cut", "empty", "header", "other file"])
def test_a_damaged_pack_is_removed_with_a_notice_and_its_images_are_kept_again(tmp_path, damage, caplog):
    kept(tmp_path, range(5))
    (pack,) = packs(tmp_path)
    content = bytearray(pack.read_bytes())
    if damage == "one byte":
        content[content.index(features(4).numpy().tobytes())] ^= 1
    new = {"cut": content[:-100], "empty": b"", "header": b"\xff" * 100 + content[100:], "other file": b"{}" * 99}
    pack.write_bytes(new.get(damage, content))
    store = store_in(tmp_path)
    with caplog.at_level(logging.WARNING, logger="xmas_assets"):
        assert store.get(key(4)) is None
    assert not packs(tmp_path)
    store = kept(tmp_path, range(5))
    assert all(torch.equal(store.get(key(number)), features(number)) for number in range(5))


def test_every_damaged_byte_is_noticed_or_harmless(tmp_path):
    """Whatever byte is turned, an image is as it was or not there."""
    kept(tmp_path / "whole", range(2))
    (pack,) = packs(tmp_path / "whole")
    content = pack.read_bytes()
    for place in range(0, len(content), 5):
        root = tmp_path / str(place)
        shutil.copytree(tmp_path / "whole", root)
        (root / "tower" / pack.name).write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        store = store_in(root)
        for number in range(2):
            found = store.get(key(number))
            assert found is None or torch.equal(found, features(number))


def test_no_more_is_kept_than_the_limit_allows_and_a_notice_says_so(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, logger="xmas_assets"):
        store = kept(tmp_path, range(1000), limit_bytes=20_000)
    assert 10_000 < sum(path.stat().st_size for path in packs(tmp_path)) <= 20_000
    assert "features of more images are not kept" in caplog.text
    n_kept = sum(store.get(key(number)) is not None for number in range(1000))
    assert 60 < n_kept < 100  # of 128 bytes each and 72 around them, in packs of 2500
    assert torch.equal(store.get(key(0)), features(0))


def test_towers_that_were_not_used_for_longest_make_room(tmp_path):
    for tower in ("first", "second", "third"):
        kept(tmp_path, range(100), tower=tower)
    size = packs(tmp_path, "first")[0].stat().st_size
    store_in(tmp_path, "first")  # used again
    kept(tmp_path, range(100), tower="fourth", limit_bytes=3 * size + 3000)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["first", "fourth", "third"]


def test_a_run_whose_folder_made_room_for_another_goes_on(tmp_path):
    store = kept(tmp_path, range(3))
    shutil.rmtree(tmp_path / "tower")
    assert torch.equal(store.get(key(1)), features(1))
    store.add(key(9), features(9))
    store.commit()
    assert torch.equal(store_in(tmp_path).get(key(9)), features(9))


def test_a_disk_that_is_nearly_full_is_left_alone(tmp_path, monkeypatch, caplog):
    disk = shutil.disk_usage(tmp_path)._replace(free=1 << 30)
    monkeypatch.setattr(space.shutil, "disk_usage", lambda _: disk)
    with caplog.at_level(logging.WARNING, logger="xmas_assets"):
        store = kept(tmp_path, range(3))
    assert not packs(tmp_path)
    assert store.get(key(0)) is None
    assert "the disk must not fill up" in caplog.text
