"""Why a record is set aside, and the checks of its single texts."""

from typing import Any, NamedTuple

from xmas_assets.contracts.messages import shown
from xmas_assets.contracts.samples import Reason


class Rejection(NamedTuple):
    """Why a record goes into quarantine."""

    reason: Reason
    detail: str


class RefusedError(Exception):
    """Carries a rejection from where the fact is known to ``validators.validate``."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.rejection = Rejection(reason, detail)


def is_empty(value: Any) -> bool:
    """Whether a field holds nothing, however that is written."""
    return value is None or value == "" or value == [] or value == {}


def text_of(value: Any, where: str) -> str:
    """A value that must be a text; ``RefusedError`` if it is none, or could not be carried."""
    if not isinstance(value, str):
        raise RefusedError(Reason.BAD_VALUE, f"{where} is {shown(value)}; a text is needed")
    return checked_text(value, where)


def checked_text(text: str, where: str, reason: Reason = Reason.BAD_TEXT) -> str:
    """The text itself; ``RefusedError`` if a tokenizer, Parquet or JSON could not carry it."""
    if "\x00" in text:
        raise RefusedError(reason, f"{where} holds a NUL character")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise RefusedError(reason, f"{where} holds half of a surrogate pair")
    return text
