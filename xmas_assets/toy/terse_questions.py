"""Terse questions ("colour circle" - "red") from which the tiny base learns to look; no dataset asks in this form.

What to look for comes last: the answer then follows the word for what is in the picture, which is learned soonest.
"""

from collections.abc import Callable, Iterable
from itertools import product
from typing import NamedTuple

from xmas_assets.toy.questions import NUMBERS
from xmas_assets.toy.scenes import COLOURS, SHAPES, Scene, Thing

# How often each kind is asked; what is hard to learn is asked more.
KINDS = {
    "absent": 0.11,
    "present": 0.11,
    "colour": 0.12,
    "shape": 0.12,
    "count": 0.16,
    "size": 0.10,
    "side": 0.11,
    "level": 0.11,
    "by_size": 0.09,
    "background": 0.03,
}


class Terse(NamedTuple):
    """Words of the question (one token each, at most ``LONGEST``), and the one-word answer."""

    words: tuple[str, ...]
    answer: str


LONGEST = 4
_SIZE_WORDS = {"big": ("big", "biggest"), "small": ("small", "smallest")}


def ask_tersely(scene: Scene) -> dict[str, list[Terse]]:
    """List every unambiguous terse question about a scene, by kind; a kind may have none."""
    things = scene.things
    shapes = _only(things, lambda thing: thing.shape)
    colours = _only(things, lambda thing: thing.colour)
    named = [((thing.shape,), thing) for thing in shapes] + [((thing.colour,), thing) for thing in colours]
    # Things of two words are harder to find and, like this, about half of all.
    named += [((t.colour, t.shape), t) for t in _only(things, lambda thing: (thing.colour, thing.shape))] * 2
    sizes = [(word, t) for t in _only(things, lambda thing: thing.size) for word in _SIZE_WORDS[t.size]]
    return {
        **_presence(things),
        "colour": [Terse(("colour", thing.shape), thing.colour) for thing in shapes],
        "shape": [Terse(("shape", thing.colour), thing.shape) for thing in colours],
        "count": list(_counts(things)),
        "size": [Terse(("size", *name), thing.size) for name, thing in named],
        "side": [Terse(("left", "right", *name), thing.side) for name, thing in named],
        "level": [Terse(("top", "bottom", *name), thing.level) for name, thing in named],
        "by_size": [Terse(("colour", word), thing.colour) for word, thing in sizes]
        + [Terse(("shape", word), thing.shape) for word, thing in sizes],
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
