"""The shapes that a record may have: by which fields each is recognised, and how its turns are taken out of them."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

from xmas_assets.contracts.messages import shown
from xmas_assets.contracts.samples import Reason
from xmas_assets.data.nested import from_json_text, unpacked
from xmas_assets.data.refusals import RefusedError, is_empty
from xmas_assets.data.turn_weights import WEIGHT_FIELDS, fields_of_questions, weight_of

MAX_TURNS = 10_000
Role = Literal["system", "user", "assistant"]
_ROLES: dict[str, Role] = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
}


class RawTurn(NamedTuple):
    """A turn as a record has it: who speaks, what is said (a text or typed parts), its name in messages, its weight."""

    role: Role
    content: Any
    where: str
    weight: float = 1.0


class TurnFields(NamedTuple):
    """Fields of turns beside speaker and text, by name: weights, those not read, and weights of questions, not read."""

    weights: list[str]
    not_read: list[str]
    of_questions: list[str]


class Shape(NamedTuple):
    """A shape of records.

    Attributes:
        fields: Those that a record of this shape has, the first of them not empty.
        also: Those that are read if they are there.
        of_turns: The fields that are read of each turn, or pair of turns, where these are objects.
        read: The turns of such a record.
        images_first: Pictures that no text marks stand before the first question, as the tools of this shape have it.
    """

    fields: tuple[str, ...]
    also: tuple[str, ...]
    of_turns: tuple[str, ...]
    read: Callable[[Mapping[str, Any]], list[RawTurn]]
    images_first: bool

    def __str__(self) -> str:
        return " and ".join(map(repr, self.fields))


def shape_of(record: Mapping[str, Any]) -> Shape:
    """The shape of a record.

    Raises:
        RefusedError: If it has none, or two.
    """
    found = [_BY_FIRST_FIELD[name] for name in record if name in _BY_FIRST_FIELD and not is_empty(record[name])]
    if len(found) != 1 or len(found[0].fields) > 1:
        found = [shape for shape in found if all(field in record for field in shape.fields)]
        found = [shape for shape in found if len(shape.fields) == 1] or found
    if not found:
        raise RefusedError(Reason.NO_CONVERSATION, nearest_shape(record))
    if len(found) > 1:
        raise RefusedError(Reason.BAD_VALUE, f"{' and '.join(map(str, found))} are both given; give one")
    return found[0]


def may_hold_records(fields: Iterable[str]) -> bool:
    """Whether all fields that a shape needs are among some."""
    names = set(fields)
    return any(names.issuperset(shape.fields) for shape in SHAPES)


def nearest_shape(fields: Iterable[str]) -> str:
    """What was seen in place of a shape, and which one is the nearest, in words."""
    names = [str(name) for name in fields]
    seen = f"the fields {', '.join(shown(name, 40) for name in names[:8])} are seen" if names else "no field is seen"
    started = [shape for shape in SHAPES if set(shape.fields) & set(names)]
    for shape in started:
        missing = [field for field in shape.fields if field not in names]
        wanted = f"{' and '.join(map(repr, missing))} too" if missing else f"a value of {shape.fields[0]!r}"
        return f"{seen}; the nearest shape that is read needs {wanted}"
    known = [field for shape in SHAPES for field in shape.fields]
    for name in names:
        if close := difflib.get_close_matches(name.casefold(), known, n=1, cutoff=0.75):
            return f"{seen}; {shown(name, 40)} may stand for {close[0]!r}, which is read"
    return f"{seen}; read are {', '.join(map(str, SHAPES))}"


def _list_of(record: Mapping[str, Any], field: str) -> list[Any]:
    items = unpacked(record[field])
    if not isinstance(items, list):
        raise RefusedError(Reason.BAD_VALUE, f"{field} is {shown(items)}; a list is needed")
    if len(items) > MAX_TURNS:
        raise RefusedError(Reason.TOO_LARGE, f"{len(items)} turns, at most {MAX_TURNS} are allowed")
    return items


def _listed(field: str) -> Callable[[Mapping[str, Any]], list[RawTurn]]:
    def read(record: Mapping[str, Any]) -> list[RawTurn]:
        return [_message(turn, f"turn {index}") for index, turn in enumerate(_list_of(record, field))]

    return read


def _message(turn: Any, where: str) -> RawTurn:
    if not isinstance(turn, dict):
        raise RefusedError(Reason.BAD_VALUE, f"{where} is {shown(turn)}, not an object")
    name = turn.get("from")
    if name is None:
        name = turn.get("role")
    role = _ROLES.get(name) if isinstance(name, str) else None
    if role is None:
        raise RefusedError(Reason.UNKNOWN_ROLE, f"{where} is from {shown(name)}; one of {', '.join(_ROLES)} is needed")
    said = turn.get("value")
    if said is None:
        said = turn.get("content")
    if isinstance(said, str) and said.startswith('[{"type"'):  # typed parts in JSON text; no other text is touched
        said = from_json_text(said)
    weight = weight_of(turn, where) if len(turn) > 2 and role == "assistant" else 1.0
    return RawTurn(role, said, where, weight)


def turn_fields(record: Mapping[str, Any], shape: Shape) -> TurnFields:
    """Which fields of a record's turns, beside speaker and text, are read and which are not."""
    turns = [turn for field in shape.fields for turn in _turns_in(record[field], shape)]
    odd = [turn for turn in turns if len(turn) > 2]
    held = {str(name) for turn in odd for name in turn if not is_empty(turn[name])}
    weights = [name for name in WEIGHT_FIELDS if name in held and name in shape.of_turns]
    return TurnFields(weights, sorted(held.difference(shape.of_turns)), fields_of_questions(odd))


def _turns_in(value: Any, shape: Shape) -> list[Any]:
    turns = unpacked(value) if shape.of_turns else None
    return turns if isinstance(turns, list) else []


def _paired(field: str, asked: str, answered: str) -> Callable[[Mapping[str, Any]], list[RawTurn]]:
    def read(record: Mapping[str, Any]) -> list[RawTurn]:
        turns = []
        for index, pair in enumerate(_list_of(record, field)):
            if not isinstance(pair, dict):
                raise RefusedError(Reason.BAD_VALUE, f"pair {index} is {shown(pair)}, not an object")
            weight = weight_of(pair, f"pair {index}") if len(pair) > 2 else 1.0
            turns.append(RawTurn("user", pair.get(asked), f"{asked!r} of pair {index}"))
            turns.append(RawTurn("assistant", pair.get(answered), f"{answered!r} of pair {index}", weight))
        return turns

    return read


def _asked(question: str, answer: str, *, further: str = "") -> Callable[[Mapping[str, Any]], list[RawTurn]]:
    """One question, one answer, and earlier pairs of them under ``history``."""

    def read(record: Mapping[str, Any]) -> list[RawTurn]:
        asked = record[question]
        if further and not is_empty(record.get(further)) and isinstance(asked, str):
            asked = f"{asked}\n{record[further]}"
        last = [RawTurn("user", asked, repr(question)), RawTurn("assistant", record[answer], repr(answer))]
        return [*_history(record), *last]

    return read


def _history(record: Mapping[str, Any]) -> list[RawTurn]:
    if is_empty(record.get("history")):
        return []
    turns = []
    for index, pair in enumerate(_list_of(record, "history")):
        if not isinstance(pair, list) or len(pair) != 2:
            raise RefusedError(Reason.BAD_VALUE, f"history holds {shown(pair)}; pairs of texts are needed")
        turns.append(RawTurn("user", pair[0], f"question {index} of history"))
        turns.append(RawTurn("assistant", pair[1], f"answer {index} of history"))
    return turns


def _prompted(record: Mapping[str, Any]) -> list[RawTurn]:
    turns = []
    roles: tuple[tuple[str, Role], ...] = (("prompt", "user"), ("completion", "assistant"))
    for field, role in roles:
        given = unpacked(record[field])
        if isinstance(given, list):
            turns += [
                _message(turn, f"turn {index} of {field!r}") for index, turn in enumerate(_list_of(record, field))
            ]
        else:
            turns.append(RawTurn(role, record[field], repr(field)))
    return turns


_OF_MESSAGES = ("from", "role", "value", "content", *WEIGHT_FIELDS)

SHAPES = (
    Shape(("conversations",), (), _OF_MESSAGES, _listed("conversations"), False),
    Shape(("messages",), (), _OF_MESSAGES, _listed("messages"), True),
    Shape(("texts",), (), ("user", "assistant", *WEIGHT_FIELDS), _paired("texts", "user", "assistant"), True),
    Shape(
        ("conversation",),
        (),
        ("human", "assistant", *WEIGHT_FIELDS),
        _paired("conversation", "human", "assistant"),
        True,
    ),
    Shape(("instruction", "output"), ("input", "history"), (), _asked("instruction", "output", further="input"), True),
    Shape(("query", "response"), ("history",), (), _asked("query", "response"), True),
    Shape(("prompt", "completion"), (), _OF_MESSAGES, _prompted, True),
    Shape(("question", "answer"), (), (), _asked("question", "answer"), True),
)
"""Every shape that is read. A shape of one field, a list of turns, counts before one of several fields."""

_BY_FIRST_FIELD = {shape.fields[0]: shape for shape in SHAPES}
