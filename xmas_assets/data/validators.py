"""What a record means: its turns, images, id and task in one form, or the reason why it is refused."""

import reprlib
from typing import Any, Literal, NamedTuple

from xmas_assets.contracts.samples import IMAGE_MARK, Reason, Turn
from xmas_assets.data.json_records import RawRecord
from xmas_assets.data.parquet_records import CONVERSATION_FIELDS

Role = Literal["system", "user", "assistant"]

MAX_TURNS = 10_000
MAX_ID_CHARS = 512
_ROLES: dict[str, Role] = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
}


class Draft(NamedTuple):
    """A record in our form, before its images are checked.

    Attributes:
        source_id: The source's id as text, None if it has none.
        turns: Optional system turn, then user and assistant turns in alternation.
        images: Per ``<image>`` mark a reference as written in the source, or the image's own bytes (Parquet).
        task: The source's task name, if it has one.
    """

    source_id: str | None
    turns: tuple[Turn, ...]
    images: tuple[str | bytes, ...]
    task: str | None


class Rejection(NamedTuple):
    """Why a record goes into quarantine."""

    reason: Reason
    detail: str


class _RefusedError(Exception):
    """Carries a rejection from where the fact is known to ``validate``."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.rejection = Rejection(reason, detail)


def validate(record: RawRecord) -> Draft | Rejection:
    """Bring a record of any supported shape into our form, without touching its images.

    Conversations are found under ``conversations`` (``from``/``value``), ``messages`` (``role``/``content``, where the
    content may be a list of text and image parts) or ``texts`` (``user``/``assistant`` pairs, whose images come
    before the first question, as this shape has no marks). Images are found under ``image`` or ``images``. Each image
    needs its ``<image>`` mark in a user turn; nothing is guessed.

    Returns:
        The draft, or the rejection with its reason code.
    """
    if record.reason is not None:
        return Rejection(record.reason, record.detail)
    try:
        return _draft(record.value)
    except _RefusedError as refused:
        return refused.rejection


def source_id_of(value: Any) -> str | None:
    """The id of a record that may be refused, as text for the quarantine table; None if it has none."""
    if not isinstance(value, dict) or value.get("id") is None:
        return None
    return str(value["id"])[:MAX_ID_CHARS].encode("utf-8", "replace").decode()


def _draft(value: Any) -> Draft:
    if not isinstance(value, dict):
        raise _RefusedError(Reason.BAD_VALUE, f"the record is {_seen(value)}, not an object")
    source_id = _source_id(value.get("id"))
    images = _images(value)
    turns = _turns(value, len(images))
    _check_turns(turns)
    _check_marks(turns, len(images))
    task = value.get("task")
    if not isinstance(task, str | int | None):
        raise _RefusedError(Reason.BAD_VALUE, f"task is {_seen(task)}; a text is needed")
    return Draft(source_id, tuple(turns), images, None if task is None else _checked_text(str(task), "task"))


def _source_id(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _RefusedError(Reason.BAD_ID, f"id is {_seen(value)}; a text or an integer is needed")
    text = _checked_text(str(value), "id", Reason.BAD_ID)
    if len(text) > MAX_ID_CHARS:
        raise _RefusedError(Reason.BAD_ID, f"id has {len(text)} characters, at most {MAX_ID_CHARS} are allowed")
    if not text.isprintable():
        raise _RefusedError(Reason.BAD_ID, f"id {_seen(text)} holds a control character")
    return text


def _images(value: dict[str, Any]) -> tuple[str | bytes, ...]:
    fields = [name for name in ("image", "images") if not _is_empty(value.get(name))]
    if len(fields) == 2:
        raise _RefusedError(Reason.BAD_IMAGE_FIELD, "both 'image' and 'images' are given; give one")
    if not fields:
        return ()
    given = value[fields[0]]
    return tuple(_image(item) for item in (given if isinstance(given, list) else [given]))


def _image(item: Any) -> str | bytes:
    if isinstance(item, dict):  # Hugging Face's struct of bytes and path
        held = item.get("bytes")
        item = held if isinstance(held, bytes) else item.get("path")
    if isinstance(item, bytes):
        return item
    if isinstance(item, str) and item:
        return _checked_text(item, "the image's path", Reason.BAD_IMAGE_FIELD)
    raise _RefusedError(Reason.BAD_IMAGE_FIELD, f"an image is {_seen(item)}; a path is needed")


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or value == []


def _turns(value: dict[str, Any], n_images: int) -> list[Turn]:
    fields = [name for name in CONVERSATION_FIELDS if not _is_empty(value.get(name))]
    if not fields:
        raise _RefusedError(Reason.NO_CONVERSATION, f"none of {', '.join(CONVERSATION_FIELDS)} holds a turn")
    if len(fields) > 1:
        raise _RefusedError(Reason.BAD_VALUE, f"{' and '.join(fields)} are both given; give one")
    turns = value[fields[0]]
    if not isinstance(turns, list):
        raise _RefusedError(Reason.BAD_VALUE, f"{fields[0]} is {_seen(turns)}; a list of turns is needed")
    if len(turns) > MAX_TURNS:
        raise _RefusedError(Reason.TOO_LARGE, f"{len(turns)} turns, at most {MAX_TURNS} are allowed")
    if fields[0] == "texts":
        return _paired_turns(turns, n_images)
    return [_turn(turn, index) for index, turn in enumerate(turns)]


def _paired_turns(pairs: list[Any], n_images: int) -> list[Turn]:
    turns = []
    for index, pair in enumerate(pairs):
        if not isinstance(pair, dict):
            raise _RefusedError(Reason.BAD_VALUE, f"pair {index} is {_seen(pair)}, not an object")
        turns.append(Turn("user", _text(pair.get("user"), f"the user's text of pair {index}")))
        turns.append(Turn("assistant", _text(pair.get("assistant"), f"the assistant's text of pair {index}")))
    if not any(IMAGE_MARK in turn.text for turn in turns):
        turns[0] = Turn("user", (IMAGE_MARK + "\n") * n_images + turns[0].text)
    return turns


def _turn(turn: Any, index: int) -> Turn:
    if not isinstance(turn, dict):
        raise _RefusedError(Reason.BAD_VALUE, f"turn {index} is {_seen(turn)}, not an object")
    name = turn.get("from") if turn.get("from") is not None else turn.get("role")
    role = _ROLES.get(name) if isinstance(name, str) else None
    if role is None:
        known = ", ".join(_ROLES)
        raise _RefusedError(Reason.UNKNOWN_ROLE, f"turn {index} is from {_seen(name)}; one of {known} is needed")
    if turn.get("value") is not None:
        return Turn(role, _text(turn["value"], f"turn {index}"))
    content = turn.get("content")
    text = _joined_parts(content, index) if isinstance(content, list) else content
    return Turn(role, _text(text, f"turn {index}"))


def _joined_parts(parts: list[Any], index: int) -> str:
    """Text of a ``content`` list; an image part becomes a mark on a line of its own, as LLaVA writes it."""
    texts = []
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "image":
            texts.append(IMAGE_MARK)
        elif kind == "text":
            texts.append(_text(part.get("text"), f"a part of turn {index}"))
        else:
            raise _RefusedError(Reason.BAD_VALUE, f"turn {index} has a part {_seen(part)}; text and image are known")
    return "\n".join(texts)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _RefusedError(Reason.BAD_VALUE, f"{where} is {_seen(value)}; a text is needed")
    return _checked_text(value, where)


def _checked_text(text: str, where: str, reason: Reason = Reason.BAD_TEXT) -> str:
    """The text itself; refused if a tokenizer, Parquet or JSON could not carry it."""
    if "\x00" in text:
        raise _RefusedError(reason, f"{where} holds a NUL character")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise _RefusedError(reason, f"{where} holds half of a surrogate pair")
    return text


def _check_turns(turns: list[Turn]) -> None:
    spoken = turns[1:] if turns[0].role == "system" else turns
    if not spoken:
        raise _RefusedError(Reason.NO_CONVERSATION, "there is only a system turn")
    for index, turn in enumerate(spoken):
        expected = "assistant" if index % 2 else "user"
        if turn.role != expected:
            raise _RefusedError(Reason.BAD_TURN_ORDER, f"turn {index} is from the {turn.role}, expected the {expected}")
        if not turn.text.strip():
            reason = Reason.EMPTY_ANSWER if expected == "assistant" else Reason.BAD_VALUE
            raise _RefusedError(reason, f"turn {index} of the {turn.role} is empty")
    if len(spoken) % 2:
        raise _RefusedError(Reason.BAD_TURN_ORDER, f"{len(spoken)} turns: the last question has no answer")


def _check_marks(turns: list[Turn], n_images: int) -> None:
    n_marks = 0
    for index, turn in enumerate(turns):
        if turn.role == "user":
            n_marks += turn.text.count(IMAGE_MARK)
        elif IMAGE_MARK in turn.text:
            raise _RefusedError(Reason.IMAGE_IN_ANSWER, f"turn {index} of the {turn.role} holds {IMAGE_MARK}")
    if n_marks != n_images:
        raise _RefusedError(Reason.IMAGE_COUNT, f"{n_marks} {IMAGE_MARK} marks for {n_images} images")


def _seen(value: Any) -> str:
    """A value for a message: short, printable ASCII, on one line."""
    return reprlib.repr(value).encode("ascii", "backslashreplace").decode()[:120]
