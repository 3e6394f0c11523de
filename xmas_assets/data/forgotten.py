"""Rows that a dataset must not have again: known by hashes alone, so that the list holds nothing of them."""

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from xmas_assets.contracts.samples import Reason
from xmas_assets.data.refusals import Rejection


class Forgotten(BaseModel):
    """The rows of a dataset that are forgotten.

    Attributes:
        form: Raised when the file's form changes.
        contents: ``digest`` of each, hex SHA-256 of task, turns and image bytes.
        ids: Hex SHA-256 of the ids that no row is left with: a record of such an id stays away also if it was edited.
        images: References of stored images that no other row had, while they are still to be removed; of a home in an
            object store also later, for machines that have to remove them too.
        is_done: Whether everything that was made of the rows is removed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: Literal[1] = 1
    contents: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()
    images: frozenset[str] = frozenset()
    is_done: bool = True

    def __bool__(self) -> bool:
        return bool(self.contents)

    def rejection(self, row: Mapping[str, Any]) -> Rejection | None:
        """Why a row, with its ``digest`` and ``source_id``, is set aside; None if it is not forgotten."""
        if row["digest"] in self.contents or (row["source_id"] is not None and hash_of(row["source_id"]) in self.ids):
            return Rejection(Reason.FORGOTTEN, "forgotten by 'xmas dataset forget-rows'")
        return None

    def version(self) -> str:
        """Hash of which rows these are."""
        return hash_of("\n".join([*sorted(self.contents), "ids", *sorted(self.ids)]))


NOTHING_FORGOTTEN = Forgotten()


def hash_of(text: str) -> str:
    """Hex SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
