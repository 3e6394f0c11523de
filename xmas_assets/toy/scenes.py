"""Pictures of drawn shapes, and what is in them. Questions about them are in ``questions.py``."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIDE = 64
CELLS = 4
CELL = SIDE // CELLS
SMALL_BELOW = 8.0
SHAPES = ("circle", "square", "triangle", "cross", "diamond", "rectangle")
COLOURS = {
    "red": (230, 25, 25),
    "blue": (30, 40, 235),
    "green": (30, 190, 40),
    "yellow": (245, 235, 30),
    "orange": (250, 145, 20),
    "purple": (140, 40, 170),
    "brown": (155, 55, 40),
    "teal": (0, 130, 130),
    "black": (12, 12, 12),
    "gray": (128, 128, 128),
}
BACKGROUNDS = {"white": (244, 243, 245), "gray": (158, 158, 160), "black": (24, 24, 26)}
_SUPERSAMPLING = 4
_BORDER = 2.0


@dataclass(frozen=True)
class Thing:
    """One drawn shape.

    Attributes:
        shape: One of ``SHAPES``.
        colour: A key of ``COLOURS``.
        x: Centre from the left edge, pixels.
        y: Centre from the top edge, pixels.
        radius: Half of the longer side, pixels.
        aspect: Height over width for a rectangle, 1 for the others.
    """

    shape: str
    colour: str
    x: float
    y: float
    radius: float
    aspect: float = 1.0

    @property
    def size(self) -> str:
        """``small`` or ``big``."""
        return "small" if self.radius < SMALL_BELOW else "big"

    @property
    def cell(self) -> int:
        """Index of the 16 x 16 pixel cell that holds the centre, row by row from the top left, 0..15."""
        return int(self.y // CELL) * CELLS + int(self.x // CELL)

    @property
    def side(self) -> str:
        """``left`` or ``right`` half of the picture."""
        return "left" if self.x < SIDE / 2 else "right"

    @property
    def level(self) -> str:
        """``top`` or ``bottom`` half of the picture."""
        return "top" if self.y < SIDE / 2 else "bottom"


@dataclass(frozen=True)
class Scene:
    """A background (a key of ``BACKGROUNDS``) and the things before it, no two of them touching or in one cell."""

    background: str
    things: tuple[Thing, ...]

    def signature(self) -> tuple[str, tuple[tuple[str, str, str, int], ...]]:
        """What the picture shows, without jitter: equal for re-drawn pictures of one scene."""
        return self.background, tuple(sorted((t.shape, t.colour, t.size, t.cell) for t in self.things))


class SceneSpace(NamedTuple):
    """What scenes may hold: names to draw from, numbers of things, and half sizes in pixels."""

    shapes: Sequence[str]
    colours: Sequence[str]
    n_things: tuple[int, int]
    small: tuple[float, float]
    big: tuple[float, float]


def sample_scene(space: SceneSpace, rng: np.random.Generator) -> Scene:
    """Draw a random scene: number of things, background, then each thing where it still fits."""
    background = str(rng.choice(list(BACKGROUNDS)))
    colours = [colour for colour in space.colours if colour != background]
    wanted = int(rng.integers(space.n_things[0], space.n_things[1] + 1))
    things: list[Thing] = []
    while len(things) < wanted:
        # A new start when something big has left no room; almost never needed.
        things = _place_things(wanted, space, colours, rng)
    return Scene(background, tuple(things))


def _place_things(wanted: int, space: SceneSpace, colours: list[str], rng: np.random.Generator) -> list[Thing]:
    things: list[Thing] = []
    for _ in range(20 * wanted):
        shape = space.shapes[int(rng.integers(len(space.shapes)))]
        low, high = space.small if rng.random() < 0.5 else space.big
        radius = float(rng.uniform(low, high))
        x, y = _sample_centre(radius, rng), _sample_centre(radius, rng)
        aspect = (
            float(rng.choice([rng.uniform(0.35, 0.7), 1 / rng.uniform(0.35, 0.7)])) if shape == "rectangle" else 1.0
        )
        thing = Thing(shape, colours[int(rng.integers(len(colours)))], x, y, radius, aspect)
        if all(_apart(thing, other) for other in things):
            things.append(thing)
        if len(things) == wanted:
            break
    return things


def _sample_centre(radius: float, rng: np.random.Generator) -> float:
    """Draw a coordinate that keeps the thing inside the picture and its cell beyond doubt."""
    while True:
        centre = float(rng.uniform(radius + 1, SIDE - radius - 1))
        if _BORDER <= centre % CELL <= CELL - _BORDER:
            return centre


def _apart(one: Thing, other: Thing) -> bool:
    distance = math.hypot(one.x - other.x, one.y - other.y)
    return distance > one.radius + other.radius + 4 and one.cell != other.cell


def jitter_scene(scene: Scene, rng: np.random.Generator) -> Scene:
    """Move and scale every thing a little, keeping the scene's signature."""
    things: list[Thing] = []
    for thing in scene.things:
        x, y = np.array([thing.x, thing.y]) + rng.uniform(-1.5, 1.5, 2)
        moved = replace(thing, x=float(x), y=float(y), radius=thing.radius * float(rng.uniform(0.94, 1.06)))
        same = moved.cell == thing.cell and moved.size == thing.size
        things.append(moved if same else thing)
    return replace(scene, things=tuple(things))


def draw_scene(scene: Scene, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw a scene with slightly varied colours and noise.

    Returns:
        RGB picture, shape (64, 64, 3), uint8.
    """
    background = _vary(BACKGROUNDS[scene.background], 11, rng)
    picture = Image.new("RGB", (SIDE * _SUPERSAMPLING, SIDE * _SUPERSAMPLING), background)
    pen = ImageDraw.Draw(picture)
    for thing in scene.things:
        _draw_thing(pen, thing, _vary(COLOURS[thing.colour], 12, rng))
    pixels = np.asarray(picture.reduce(_SUPERSAMPLING), dtype=np.float64)
    noise = rng.normal(0, rng.uniform(0, 5), pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def _vary(colour: tuple[int, int, int], amount: int, rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = np.clip(np.array(colour) + rng.integers(-amount, amount + 1, 3), 0, 255)
    return int(red), int(green), int(blue)


def _draw_thing(pen: ImageDraw.ImageDraw, thing: Thing, fill: tuple[int, int, int]) -> None:
    half_width = thing.radius * min(1.0, 1 / thing.aspect)
    half_height = thing.radius * min(1.0, thing.aspect)
    outline = {
        "square": [(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)],
        "rectangle": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
        "triangle": [(0, -1), (1, 0.9), (-1, 0.9)],
        "diamond": [(0, -1), (0.75, 0), (0, 1), (-0.75, 0)],
        "cross": [
            (x, y)
            for x, y in zip(
                (-0.33, 0.33, 0.33, 1, 1, 0.33, 0.33, -0.33, -0.33, -1, -1, -0.33),
                (-1, -1, -0.33, -0.33, 0.33, 0.33, 1, 1, 0.33, 0.33, -0.33, -0.33),
                strict=True,
            )
        ],
        "circle": [(math.cos(a), math.sin(a)) for a in np.linspace(0, 2 * math.pi, 40, endpoint=False)],
    }[thing.shape]
    corners = [
        ((thing.x + x * half_width) * _SUPERSAMPLING, (thing.y + y * half_height) * _SUPERSAMPLING) for x, y in outline
    ]
    pen.polygon(corners, fill=fill)
