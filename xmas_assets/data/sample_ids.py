"""Unique, stable sample ids out of source ids that are missing or repeated, independent of the order of the rows."""

from array import array
from hashlib import blake2b

import numpy as np


class SampleIds:
    """Ids of one table, in two passes: ``note`` every row, then ``assign`` every row.

    A source id that occurs once is kept. Where one id stands for different contents, each gets ``id#<8 hex of its
    content>``, all of them, so that no id depends on which row comes first. Rows equal in id and content are
    numbered: ``id``, ``id#2``, ``id#3``. A row without an id is ``auto-<16 hex of its content>``.

    Holds 16 bytes per row.
    """

    def __init__(self) -> None:
        self._ids = array("Q")
        self._contents = array("Q")
        self._given: dict[str, int] = {}
        self._made: set[str] = set()
        self._sealed = False

    def note(self, source_id: str | None, digest: str) -> str:
        """Note a row, and return the id it has before repeated ids are made distinct."""
        base_id = source_id if source_id is not None else f"auto-{digest[:16]}"
        self._ids.append(_hash64(base_id))
        self._contents.append(int(digest[:16], 16))
        return base_id

    def assign(self, base_id: str, digest: str) -> str:
        """The sample id of a row; call it once per noted row, in row order, after all are noted."""
        if not self._sealed:
            self._seal()
        key = _hash64(base_id)
        if key not in self._repeated:
            return base_id
        stem = f"{base_id}#{digest[:8]}" if key in self._varied else base_id
        while True:
            self._given[stem] = self._given.get(stem, 0) + 1
            name = stem if self._given[stem] == 1 else f"{stem}#{self._given[stem]}"
            if name == base_id or not (name in self._made or self._is_noted(name)):
                self._made.add(name)
                return name

    @property
    def n_same_content(self) -> int:
        """Rows whose content (task, turns and image bytes) an earlier row already has, under any id."""
        return len(self._contents) - len(np.unique(np.frombuffer(self._contents, dtype=np.uint64)))

    @property
    def n_repeated_ids(self) -> int:
        """Rows whose id an earlier row already has, with the same or another content."""
        return len(self._ids) - len(np.unique(np.frombuffer(self._ids, dtype=np.uint64)))

    def _seal(self) -> None:
        ids = np.frombuffer(self._ids, dtype=np.uint64)
        contents = np.frombuffer(self._contents, dtype=np.uint64)
        self._sorted_ids, counts = np.unique(ids, return_counts=True)
        pairs = np.unique(np.stack([ids, contents], axis=1), axis=0)
        pair_ids, n_contents = np.unique(pairs[:, 0], return_counts=True)
        self._repeated = set(self._sorted_ids[counts > 1].tolist())
        self._varied = set(pair_ids[n_contents > 1].tolist())
        self._sealed = True

    def _is_noted(self, name: str) -> bool:
        key = np.uint64(_hash64(name))
        place = int(np.searchsorted(self._sorted_ids, key))
        return place < len(self._sorted_ids) and bool(self._sorted_ids[place] == key)


def _hash64(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
