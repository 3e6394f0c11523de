"""Questions about a scene in natural language: eight skills, each asked in several ways, with one-word answers."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from xmas_assets.toy.scenes import BACKGROUNDS, Scene, SceneSpace, Thing

SPACE = SceneSpace(
    shapes=("circle", "square", "triangle", "cross", "diamond"),
    colours=("red", "blue", "green", "yellow", "orange", "purple"),
    n_things=(1, 4),
    small=(5.0, 6.5),
    big=(9.5, 12.0),
)
NUMBERS = ("one", "two", "three", "four")
COMMON_SKILLS = ("exist", "colour", "shape", "count")
RARE_SKILLS = ("size", "position", "compare", "background")
SKILLS = COMMON_SKILLS + RARE_SKILLS
ANSWERS: dict[str, tuple[str, ...]] = {
    "exist": ("yes", "no"),
    "colour": tuple(SPACE.colours),
    "shape": tuple(SPACE.shapes),
    "count": NUMBERS,
    "size": ("big", "small"),
    "position": ("left", "right", "top", "bottom"),
    "compare": tuple(SPACE.colours),
    "background": tuple(BACKGROUNDS),
}

_TEMPLATES = {
    "exist": (
        "Is there {a_target} in the picture?",
        "Does the image show {a_target}?",
        "Can you see {a_target}?",
        "Is {a_target} present?",
    ),
    "colour": (
        "What colour is the {shape}?",
        "Which colour does the {shape} have?",
        "Name the colour of the {shape}.",
        "In which colour is the {shape} painted?",
    ),
    "shape": (
        "What shape is the {colour} object?",
        "Which shape does the {colour} thing have?",
        "Name the shape of the {colour} object.",
        "What is the {colour} thing?",
    ),
    "count": (
        "How many {plural} are there?",
        "How many {plural} do you see?",
        "Count the {plural}.",
        "Give the number of {plural} in the picture.",
    ),
    "size": (
        "Is the {target} big or small?",
        "What size is the {target}?",
        "How large is the {target}?",
        "Name the size of the {target}.",
    ),
    "position": (
        "Is the {target} at the {choice}?",
        "In which half is the {target}, {choice}?",
        "Where is the {target}, {choice}?",
        "Look at the {target}: {choice}?",
    ),
    "compare": (
        "What colour is the {extreme} object?",
        "Which colour does the {extreme} thing have?",
        "Name the colour of the {extreme} object.",
        "Of all objects, the {extreme} has which colour?",
    ),
    "background": (
        "What colour is the background?",
        "Which colour does the background have?",
        "Name the shade behind the objects.",
        "On which colour are the things drawn?",
    ),
}


class Question(NamedTuple):
    """A question before it is worded.

    Attributes:
        skill: One of ``SKILLS``.
        slots: What fills the templates' gaps, as (name, value) pairs; with the skill it identifies the question.
        answer: The one-word answer.
    """

    skill: str
    slots: tuple[tuple[str, str], ...]
    answer: str


def word_question(question: Question, rng: np.random.Generator) -> str:
    """Put a question into words, by one of its skill's templates at random."""
    templates = _TEMPLATES[question.skill]
    return templates[rng.integers(len(templates))].format(**dict(question.slots))


def ask(skill: str, scene: Scene, rng: np.random.Generator) -> Question | None:
    """Ask for one skill about a scene; None if the scene offers no unambiguous question of that skill."""
    found = _ASKERS[skill](scene, rng)
    return None if found is None else Question(skill, *found)


_Asked = tuple[tuple[tuple[str, str], ...], str] | None


def _exist(scene: Scene, rng: np.random.Generator) -> _Asked:
    thing = scene.things[rng.integers(len(scene.things))]
    colour, shape, answer = thing.colour, thing.shape, "yes"
    if rng.random() < 0.5:
        there = {(t.colour, t.shape) for t in scene.things}
        # Half of the absent targets share a shape or a colour with what is there: both words must be read.
        colours = SPACE.colours if rng.random() < 0.5 else [t.colour for t in scene.things]
        shapes = SPACE.shapes if rng.random() < 0.5 else [t.shape for t in scene.things]
        absent = sorted({(c, s) for c in colours for s in shapes} - there)
        if not absent:
            return None
        (colour, shape), answer = absent[rng.integers(len(absent))], "no"
    article = "an" if colour[0] in "aeiou" else "a"
    return (("a_target", f"{article} {colour} {shape}"),), answer


def _colour(scene: Scene, rng: np.random.Generator) -> _Asked:
    thing = _pick(_only(scene, lambda t: t.shape), rng)
    return thing and ((("shape", thing.shape),), thing.colour)


def _shape(scene: Scene, rng: np.random.Generator) -> _Asked:
    thing = _pick(_only(scene, lambda t: t.colour), rng)
    return thing and ((("colour", thing.colour),), thing.shape)


def _count(scene: Scene, rng: np.random.Generator) -> _Asked:
    if rng.random() < 0.5:
        return (("plural", "objects"),), NUMBERS[len(scene.things) - 1]
    shape = scene.things[rng.integers(len(scene.things))].shape
    plural = "crosses" if shape == "cross" else f"{shape}s"
    return (("plural", plural),), NUMBERS[sum(t.shape == shape for t in scene.things) - 1]


def _size(scene: Scene, rng: np.random.Generator) -> _Asked:
    thing = _pick(_only(scene, lambda t: (t.colour, t.shape)), rng)
    return thing and ((("target", f"{thing.colour} {thing.shape}"),), thing.size)


def _position(scene: Scene, rng: np.random.Generator) -> _Asked:
    thing = _pick(_only(scene, lambda t: (t.colour, t.shape)), rng)
    if thing is None:
        return None
    choice, answer = ("left or right", thing.side) if rng.random() < 0.5 else ("top or bottom", thing.level)
    return (("target", f"{thing.colour} {thing.shape}"), ("choice", choice)), answer


def _compare(scene: Scene, rng: np.random.Generator) -> _Asked:
    thing = _pick(_only(scene, lambda t: t.size), rng) if len(scene.things) > 1 else None
    return thing and ((("extreme", "biggest" if thing.size == "big" else "smallest"),), thing.colour)


def _background(scene: Scene, rng: np.random.Generator) -> _Asked:
    del rng  # nothing to choose
    return (), scene.background


_ASKERS: dict[str, Callable[[Scene, np.random.Generator], _Asked]] = {
    "exist": _exist,
    "colour": _colour,
    "shape": _shape,
    "count": _count,
    "size": _size,
    "position": _position,
    "compare": _compare,
    "background": _background,
}


def _only(scene: Scene, feature: Callable[[Thing], object]) -> list[Thing]:
    values = [feature(thing) for thing in scene.things]
    return [thing for thing, value in zip(scene.things, values, strict=True) if values.count(value) == 1]


def _pick(things: Sequence[Thing], rng: np.random.Generator) -> Thing | None:
    return things[int(rng.integers(len(things)))] if things else None
