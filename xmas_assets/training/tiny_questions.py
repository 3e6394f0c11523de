"""Terse questions ("colour circle" - "red") from which the tiny base learns to look; no dataset asks in this form.

What to look for comes last: the answer then follows the word that stands in the picture, which is learned soonest.
"""

from collections.abc import Callable, Iterable
from itertools import product
from typing import NamedTuple

from xmas_assets.data.questions import NUMBERS
from xmas_assets.data.scenes import COLOURS, SHAPES, Scene, Thing

# How often each kind is asked; what is hard to learn is asked more.
KINDS = {
    "absent": 0.11,
    "present": 0.11,
    "colour": 0.12,
    "shape": 0.12,
    "count": 0.16,
    "size": 0.10,
    "side": 0.08,
    "level": 0.08,
    "by_size": 0.09,
    "background": 0.03,
}


class Terse(NamedTuple):
    """Words in which is asked (one token each, at most ``LONGEST``), and the one-word answer."""

    words: tuple[str, ...]
    answer: str


LONGEST = 4


def ask_tersely(scene: Scene) -> dict[str, list[Terse]]:
    """List every unambiguous terse question about a scene, by kind; a kind may have none."""
    things = scene.things
    colour_and_shape = _only(things, lambda thing: (thing.colour, thing.shape))
    by_size = _only(things, lambda thing: thing.size)
    return {
        **_presence(things),
        "colour": [Terse(("colour", t.shape), t.colour) for t in _only(things, lambda thing: thing.shape)],
        "shape": [Terse(("shape", t.colour), t.shape) for t in _only(things, lambda thing: thing.colour)],
        "count": list(_counts(things)),
        "size": [Terse(("size", t.colour, t.shape), t.size) for t in colour_and_shape],
        "side": [Terse(("left", "right", t.colour, t.shape), t.side) for t in colour_and_shape],
        "level": [Terse(("top", "bottom", t.colour, t.shape), t.level) for t in colour_and_shape],
        "by_size": [Terse(("colour", t.size), t.colour) for t in by_size]
        + [Terse(("shape", t.size), t.shape) for t in by_size],
        "background": [Terse(("colour", "background"), scene.background)],
    }


def _presence(things: tuple[Thing, ...]) -> dict[str, list[Terse]]:
    """Ask for one word or two; pairs that are absent though one of their words is there are listed more often."""
    shapes, colours = {t.shape for t in things}, {t.colour for t in things}
    there = {(t.colour, t.shape) for t in things}
    questions: dict[str, list[Terse]] = {"present": [], "absent": []}
    for word in (*SHAPES, *COLOURS):
        is_there = word in shapes or word in colours
        questions["present" if is_there else "absent"].append(_contains((word,), is_there))
    for colour, shape in product(COLOURS, SHAPES):
        is_there = (colour, shape) in there
        near = (colour in colours) + (shape in shapes)
        questions["present" if is_there else "absent"] += [_contains((colour, shape), is_there)] * (1 + 2 * near)
    return questions


def _contains(words: tuple[str, ...], is_there: bool) -> Terse:
    return Terse(("contains", *words), "yes" if is_there else "no")


def _counts(things: tuple[Thing, ...]) -> Iterable[Terse]:
    yield from [Terse(("count", "objects"), NUMBERS[len(things) - 1])] * 2
    for shape in sorted({t.shape for t in things}):
        yield Terse(("count", shape), NUMBERS[sum(t.shape == shape for t in things) - 1])
    for colour in sorted({t.colour for t in things}):
        yield Terse(("count", colour), NUMBERS[sum(t.colour == colour for t in things) - 1])


def _only(things: tuple[Thing, ...], feature: Callable[[Thing], object]) -> list[Thing]:
    values = [feature(thing) for thing in things]
    return [thing for thing, value in zip(things, values, strict=True) if values.count(value) == 1]
