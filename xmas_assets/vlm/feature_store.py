"""What frozen vision towers made of images, kept on disk for all runs: packs of many images, read by memory map.

What decides the features is in the name of their folder, so nothing here knows models. Every read is checked against
a hash, and a pack that is damaged is removed, so that its images are computed again.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from xmas_assets.files.space import has_space
from xmas_assets.files.whole import remove_unfinished, replacing

_LOG = logging.getLogger(__name__)
_SUFFIX = ".safetensors"
_KEY_BYTES = 32
# What a pack holds besides features: of each image a key, a hash and a place, and the names of all that.
_ENTRY_BYTES, _HEAD_BYTES = 2 * _KEY_BYTES + 8, 1024
_PACK_BYTES = 256 << 20
# So that a cache is not what fills the disk.
_LEFT_FREE_BYTES = 4 << 30


class FeatureStore:
    """The features that one tower makes, by image. Several processes may use it at once.

    New ones are on disk, and seen by other runs, once a pack of them is full or ``commit`` is called; a process that is
    killed before loses them.
    """

    def __init__(self, root: Path, tower: str, *, limit_bytes: int) -> None:
        """Open the folder of a tower.

        Args:
            root: Folder of all towers; made if missing.
            tower: Name of everything that decides the features but the image.
            limit_bytes: How much all towers may take. Beyond it, the folders of towers that were not used for longest
                are removed; what then does not fit is not kept.
        """
        self._root = root
        self._folder = root / tower
        self._limit_bytes = limit_bytes
        self._pack_bytes = min(_PACK_BYTES, limit_bytes // 8)
        self._folder.mkdir(parents=True, exist_ok=True)
        os.utime(self._folder)
        self._new: dict[bytes, Tensor] = {}
        self._new_bytes = 0
        self._takes_more = True
        self._changing = Lock()  # one thread reads ahead while another adds
        self._packs = _Packs(self._folder)

    def get(self, key: bytes) -> Tensor | None:
        """The features of an image, on the CPU; None if they are not there, or were damaged.

        Args:
            key: SHA-256 (32 bytes) of which image it is.
        """
        found = self._new.get(key)
        if found is not None:
            return found
        packs = self._packs
        place = packs.find(key)
        if place is None:
            return None
        features = packs.read(*place)
        if features is None:
            with self._changing:
                _remove_damaged(packs.paths[place[0]])
                self._packs = _Packs(self._folder)
        return features

    def add(self, key: bytes, features: Tensor) -> None:
        """Keep the features of an image, if there is room.

        Args:
            key: As for ``get``.
            features: Of any type; the first axis may differ between images, the others not.
        """
        if not self._takes_more or key in self._new or self._packs.find(key) is not None:
            return
        self._new[key] = features.cpu()
        self._new_bytes += features.nbytes
        if self._new_bytes >= self._pack_bytes:
            self.commit()

    def commit(self) -> None:
        """Write what was added; where the disk or the limit does not hold it, it is dropped with a notice."""
        if not self._new:
            return
        try:
            with self._changing, FileLock(self._root / ".lock"):
                self._folder.mkdir(exist_ok=True)  # another run may have needed its room
                remove_unfinished(self._folder)  # all that write here hold the lock
                self._packs = _Packs(self._folder)
                self._leave_out_known()
                if self._new and self._has_room():
                    self._write()
                    self._packs = _Packs(self._folder)
                elif self._new:
                    self._take_no_more(f"they may take {self._limit_bytes / 1e9:.1f} GB, and the disk must not fill up")
        except OSError as error:
            self._take_no_more(str(error))
        self._new, self._new_bytes = {}, 0

    def _leave_out_known(self) -> None:
        """Leave out what another run has kept in the meantime: side by side, all see the same images."""
        self._new = {key: features for key, features in self._new.items() if self._packs.find(key) is None}
        self._new_bytes = sum(features.nbytes for features in self._new.values())

    def _write(self) -> None:
        keys = b"".join(self._new)
        with replacing(self._folder / f"{hashlib.sha256(keys).hexdigest()[:32]}{_SUFFIX}") as unfinished:
            save_file(_pack(self._new), unfinished)

    def _take_no_more(self, reason: str) -> None:
        self._takes_more = False
        _LOG.warning("features of more images are not kept (%s); they are computed whenever they are needed", reason)

    def _has_room(self) -> bool:
        """Whether the limit and the disk hold what is new; makes room by removing what other towers left."""
        sizes = {folder: _n_bytes(folder) for folder in self._root.iterdir() if folder.is_dir()}
        n_bytes = self._new_bytes + len(self._new) * _ENTRY_BYTES + _HEAD_BYTES
        if sizes[self._folder] + n_bytes > self._limit_bytes:
            return False
        others = sorted(sizes.keys() - {self._folder}, key=lambda folder: (folder.stat().st_mtime_ns, folder.name))
        for folder in others:
            if sum(sizes.values()) + n_bytes <= self._limit_bytes:
                break
            shutil.rmtree(folder)
            del sizes[folder]
        return has_space(self._root, n_bytes + _LEFT_FREE_BYTES)


class _Packs:
    """The packs in a folder, and where each image is. It does not change, so threads may share it."""

    def __init__(self, folder: Path) -> None:
        self.paths: list[Path] = []
        self._files: list[Any] = []
        self._starts: list[np.ndarray] = []
        self._digests: list[np.ndarray] = []
        keys: list[np.ndarray] = []
        for path in sorted(folder.glob(f"*{_SUFFIX}")):
            try:
                file = safe_open(path, "pt").__enter__()  # open for as long as this is in use
                names, starts, digests = (file.get_tensor(name).numpy() for name in ("keys", "starts", "digests"))
                keys.append(names.view(f"S{_KEY_BYTES}").ravel())
            except FileNotFoundError:  # another run removed it
                continue
            except (SafetensorError, OSError, ValueError):
                _remove_damaged(path)
                continue
            self.paths.append(path)
            self._files.append(file)
            self._starts.append(starts)
            self._digests.append(digests)
        sizes = [len(each) for each in keys]
        found = np.concatenate([np.empty(0, dtype=f"S{_KEY_BYTES}"), *keys])
        order = np.argsort(found, kind="stable")
        self._keys = found[order]
        self._packs = np.repeat(np.arange(len(sizes)), sizes)[order]
        self._entries = np.concatenate([np.empty(0, dtype=np.int64), *map(np.arange, sizes)])[order]

    def find(self, key: bytes) -> tuple[int, int] | None:
        """Number of its pack, and its place there."""
        place = int(np.searchsorted(self._keys, np.bytes_(key)))
        if (
            place == len(self._keys) or self._keys[place].ljust(_KEY_BYTES, b"\0") != key
        ):  # numpy drops zeros at the end
            return None
        return int(self._packs[place]), int(self._entries[place])

    def read(self, pack: int, entry: int) -> Tensor | None:
        """Features; None if they are not what was written."""
        start, stop = self._starts[pack][entry : entry + 2].tolist()
        try:
            features = self._files[pack].get_slice("features")[start:stop]
        except (SafetensorError, ValueError, IndexError):
            return None
        return features if tensor_digest(features) == self._digests[pack][entry].tobytes() else None


def _pack(entries: Mapping[bytes, Tensor]) -> dict[str, Tensor]:
    values = list(entries.values())
    starts = np.cumsum([0, *map(len, values)], dtype=np.int64)
    return {
        "keys": _bytes_tensor(list(entries)),
        "starts": torch.from_numpy(starts),
        "digests": _bytes_tensor([tensor_digest(each) for each in values]),
        "features": torch.cat(values),
    }


def _bytes_tensor(parts: Sequence[bytes]) -> Tensor:
    """Shape (n, 32), uint8."""
    return torch.from_numpy(np.frombuffer(b"".join(parts), dtype=np.uint8).reshape(-1, _KEY_BYTES).copy())


def tensor_digest(values: Tensor) -> bytes:
    """SHA-256 (32 bytes) of a tensor's type, shape and content."""
    content: Any = values.cpu().contiguous().view(torch.uint8).numpy()
    digest = hashlib.sha256(f"{values.dtype} {tuple(values.shape)}\n".encode())
    digest.update(content)
    return digest.digest()


def _remove_damaged(path: Path) -> None:
    _LOG.warning("stored features in %s are damaged; they are removed and computed again", path.name)
    path.unlink(missing_ok=True)


def _n_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())
