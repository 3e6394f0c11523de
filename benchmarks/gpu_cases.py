"""The cases that are measured on a card, and how large they are there and in a dry run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

from benchmarks.gpu_clock import Clock, Measured
from benchmarks.gpu_shapes import real_shapes, tiny_shapes
from benchmarks.gpu_signals import OTHERS, OURS, Reading
from benchmarks.gpu_training import OPTIONS, Load, Options, train
from benchmarks.made_models import Shape
from xmas_assets.vlm.loading import Vlm

_QUESTIONS = (1, 8)  # on each image


@dataclass(frozen=True)
class Scale:
    """How large everything is.

    Attributes:
        device: Where it runs.
        shapes: Makes the shapes of the models.
        n_rows: Read at once.
        batch_size: Rows of a forward pass that reads.
        load: What is trained on.
        matrix_side: Of the product that tells the matrix rate.
    """

    device: str
    shapes: Callable[[], tuple[Shape, ...]]
    n_rows: int
    batch_size: int
    load: Load
    matrix_side: int


CARD = Scale("cuda", real_shapes, n_rows=64, batch_size=16, load=Load(), matrix_side=8192)
DRY = Scale("cpu", tiny_shapes, n_rows=8, batch_size=4, load=Load(8, 4, 2, (2, 12), rank=4), matrix_side=256)


class Case(NamedTuple):
    """One row of the table."""

    model: str
    name: str
    run: Callable[[Clock], Measured]


def cases_of(scale: Scale) -> Iterator[Case]:
    """Give the cases model by model."""
    for shape in scale.shapes():
        make = partial(shape.make, device=scale.device, dtype="bfloat16")
        kept = lru_cache(maxsize=1)(make)
        for n_questions in _QUESTIONS:
            what = f"signals, {n_questions} a picture"
            options = {"n_rows": scale.n_rows, "n_questions": n_questions, "batch_size": scale.batch_size}
            reading = partial(_reading, kept, shape, options)
            for kind, names in OURS.items():
                yield Case(shape.name, f"{what}: {kind}", partial(_read_ours, reading, names))
            for way in OTHERS:
                yield Case(shape.name, f"{what}: {way}", partial(_read_other, reading, way))
        for name, chosen in OPTIONS.items():
            yield Case(shape.name, f"LoRA training, {name}", partial(_train, kept, make, shape, scale.load, chosen))


def _reading(kept: Callable[[], Vlm], shape: Shape, options: dict[str, int]) -> Reading:
    return Reading.of(kept(), shape, **options)


def _read_ours(reading: Callable[[], Reading], names: list[str], clock: Clock) -> Measured:
    return reading().ours(names, clock)


def _read_other(reading: Callable[[], Reading], way: str, clock: Clock) -> Measured:
    return reading().other(way, clock)


def _train(kept: Any, make: Callable[[], Vlm], shape: Shape, load: Load, options: Options, clock: Clock) -> Measured:
    """Train a model of its own, since training changes it; the one that was read is given up."""
    kept.cache_clear()
    return train(make(), shape, clock, load, options)
