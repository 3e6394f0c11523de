"""What a record means: its turns, images, id and task in one form, or the reason why it is refused."""

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from xmas_assets.contracts.messages import shown
from xmas_assets.contracts.samples import IMAGE_MARK, Reason, Turn
from xmas_assets.data.boxes import filled_in, has_boxes
from xmas_assets.data.columns import renamed
from xmas_assets.data.image_values import IMAGE_FIELDS, images_of
from xmas_assets.data.json_records import RawRecord
from xmas_assets.data.nested import from_json_text
from xmas_assets.data.placing import placed
from xmas_assets.data.refusals import RefusedError, Rejection, checked_text, is_empty, text_of
from xmas_assets.data.shapes import Shape, shape_of, turn_fields
from xmas_assets.data.turn_texts import Place, content_of

MAX_ID_CHARS = 512
NOT_READ = "field_not_read:"
"""Begins the notice of a field of a record that is not read; its name follows."""

_OTHER_MEDIA = ("video", "videos", "audio", "audios")
_SYSTEM = ("system", "system_prompt")
_ALWAYS_READ = ("id", "task", *IMAGE_FIELDS, *_SYSTEM, *_OTHER_MEDIA)


class Draft(NamedTuple):
    """A record in our form, before its images are checked.

    Attributes:
        source_id: The source's id as text, None if it has none.
        turns: Optional system turn, then user and assistant turns in alternation.
        images: Per ``<image>`` mark a reference as written in the source, or the image's own bytes.
        task: The source's task name, if it has one.
        notices: What is worth reporting: what was not read, or read in another way than it stands there.
        loss_weights: Of each assistant turn, empty where all are 1.
    """

    source_id: str | None
    turns: tuple[Turn, ...]
    images: tuple[str | bytes, ...]
    task: str | None
    notices: tuple[str, ...] = ()
    loss_weights: tuple[float, ...] = ()


def validate(record: RawRecord, columns: Mapping[str, str] | None = None) -> Draft | Rejection:
    """Bring a record of any shape of ``shapes.SHAPES`` into our form, without touching its images.

    Each image needs its mark in a user turn, but in shapes whose tools put images first; nothing else is guessed.

    Args:
        record: As it is in its source.
        columns: The users' names of fields, with ours; default none.

    Returns:
        The draft, or the rejection with its reason code.
    """
    if record.reason is not None:
        return Rejection(record.reason, record.detail)
    try:
        return _draft(renamed(record.value, columns))
    except RefusedError as refused:
        return refused.rejection


def source_id_of(value: Any) -> str | None:
    """The id of a record that may be refused, as text for the quarantine table; None if it has none."""
    if not isinstance(value, dict) or value.get("id") is None:
        return None
    given = value["id"]
    text = str(given) if isinstance(given, str | int | float) else shown(given)
    return text[:MAX_ID_CHARS].encode("utf-8", "replace").decode()


def fields_not_read(value: dict[str, Any]) -> list[str]:
    """The fields of an accepted record, in its order, that neither its turns, images, id nor task are read from."""
    _, image_field = images_of(value)
    return [name for name in value if name not in _fields_of(shape_of(value)) and name != image_field]


def _draft(value: Any) -> Draft:
    if not isinstance(value, dict):
        raise RefusedError(Reason.BAD_VALUE, f"the record is {shown(value)}, not an object")
    source_id = _source_id(value.get("id"))
    _check_media(value)
    images, image_field = images_of(value)
    shape = shape_of(value)
    turns, places, weights = _turns(value, shape)
    _check_order(turns)
    turns, images, notices = placed(turns, places, images, images_first=shape.images_first, field=image_field)
    _check_said(turns)
    not_read = value.keys() - _fields_of(shape)
    if has_boxes(turns):
        turns, notices = filled_in(turns, from_json_text(value.get("objects"))), (*notices, "boxes_filled_in")
        not_read -= {"objects"}
    if not_read:
        not_read = sorted(name for name in not_read if name != image_field and not is_empty(value[name]))
    task, task_notices = _task(value.get("task"))
    notices += (*task_notices, *(f"{NOT_READ}{shown(name, 40)[1:-1]}" for name in not_read))
    of_turns = turn_fields(value, shape)
    notices += tuple(f"turn_{NOT_READ}{shown(name, 40)[1:-1]}" for name in of_turns.not_read)
    notices += tuple(f"question_{NOT_READ}{name}" for name in of_turns.of_questions)
    if weights:
        notices += ("answers_of_other_weight",)
    return Draft(source_id, tuple(turns), images, task, notices, weights)


def _source_id(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, float) and value.is_integer():  # as pandas writes integers of a column with gaps
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RefusedError(Reason.BAD_ID, f"id is {shown(value)}; a text or an integer is needed")
    text = checked_text(str(value), "id", Reason.BAD_ID)
    if len(text) > MAX_ID_CHARS:
        raise RefusedError(Reason.BAD_ID, f"id has {len(text)} characters, at most {MAX_ID_CHARS} are allowed")
    if not text.isprintable():
        raise RefusedError(Reason.BAD_ID, f"id {shown(text)} holds a control character")
    return text


def _task(value: Any) -> tuple[str | None, tuple[str, ...]]:
    """The task's name, and a notice where it had to be chosen or left out: a task that is odd costs no row."""
    if value is None or isinstance(value, str | int):
        return None if value is None else checked_text(str(value), "task"), ()
    first = value[0] if isinstance(value, list) and value else None
    if isinstance(first, str):
        return checked_text(first, "task"), ("task_first_of_several",)
    return None, ("task_not_read",)


def _check_media(value: dict[str, Any]) -> None:
    for field in _OTHER_MEDIA:
        if field in value and not is_empty(value[field]):
            raise RefusedError(Reason.OTHER_MEDIUM, f"{field!r} is {shown(value[field], 80)}; only images are read")


def _turns(value: dict[str, Any], shape: Shape) -> tuple[list[Turn], list[Place], tuple[float, ...]]:
    """The turns, a system text of the record first, what marks in user turns stand for, and the answers' weights."""
    turns: list[Turn] = []
    places: list[Place] = []
    weights: list[float] = []
    for role, given, where, weight in shape.read(value):
        text, new_places = content_of(given, where)
        if new_places and role != "user":
            raise RefusedError(Reason.IMAGE_IN_ANSWER, f"{where} of the {role} holds {IMAGE_MARK}")
        turns.append(Turn(role, text))
        places += new_places
        if role == "assistant":
            weights.append(weight)
    for field in _SYSTEM:
        if field in value and not is_empty(value[field]):
            system = Turn("system", text_of(value[field], repr(field)))
            if turns[0].role == "system" and turns[0] != system:
                raise RefusedError(Reason.BAD_VALUE, f"{field!r} and a system turn are both given and differ; give one")
            turns = [system, *turns[turns[0].role == "system" :]]
    if weights and not any(weights):
        raise RefusedError(Reason.NOTHING_TO_LEARN, "all answers have the weight 0; one must be learned from")
    return turns, places, () if all(weight == 1 for weight in weights) else tuple(weights)


@cache
def _fields_of(shape: Shape) -> frozenset[str]:
    """The fields that are read of every record of a shape."""
    return frozenset((*_ALWAYS_READ, *shape.fields, *shape.also))


def _check_order(turns: list[Turn]) -> None:
    spoken = turns[1:] if turns[0].role == "system" else turns
    if not spoken:
        raise RefusedError(Reason.NO_CONVERSATION, "there is only a system turn")
    for index, turn in enumerate(spoken):
        expected = "assistant" if index % 2 else "user"
        if turn.role != expected:
            raise RefusedError(Reason.BAD_TURN_ORDER, f"turn {index} is from the {turn.role}, expected the {expected}")
    if len(spoken) % 2:
        raise RefusedError(Reason.BAD_TURN_ORDER, f"{len(spoken)} turns: the last question has no answer")


def _check_said(turns: list[Turn]) -> None:
    for index, turn in enumerate(turns):
        if turn.role != "system" and not turn.text.strip():
            reason = Reason.EMPTY_ANSWER if turn.role == "assistant" else Reason.BAD_VALUE
            raise RefusedError(reason, f"turn {index} of the {turn.role} is empty")
