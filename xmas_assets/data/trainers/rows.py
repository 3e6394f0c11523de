"""The rows of a subset as every form gets them: turns, pictures and the columns beside them, one row at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from xmas_assets.contracts.samples import IMAGE_MARK, Turn
from xmas_assets.data.trainers.columns import Columns
from xmas_assets.data.trainers.features import Feature, Features
from xmas_assets.data.trainers.pictures import Paths, Picture


class WeightField(NamedTuple):
    """How a program is told what an answer's losses are multiplied by.

    Attributes:
        name: Of the field beside an answer.
        feature: ``float64`` for any weight; ``bool`` or ``int64`` for whether the answer is learned.
    """

    name: str
    feature: str

    @property
    def is_flag(self) -> bool:
        """Whether weights other than 0 and 1 cannot be said."""
        return self.feature != "float64"

    def value(self, weight: float) -> bool | int | float:
        """A weight as the field has it."""
        return {"bool": bool, "int64": lambda given: int(given > 0), "float64": float}[self.feature](weight)


class Row(NamedTuple):
    """One row.

    Attributes:
        turns: Optional system turn, then user and assistant turns in alternation.
        pictures: One per ``<image>`` mark in the user turns.
        columns: Everything else, by column.
        weights: Of each answer, empty where all are 1.
    """

    turns: tuple[Turn, ...]
    pictures: tuple[Picture, ...]
    columns: dict[str, Any]
    weights: tuple[float, ...] = ()

    def messages(self, weight: WeightField | None = None) -> list[dict[str, Any]]:
        """The turns, the place of a picture marked by ``<image>``; answers with their weight, if a field is for it."""
        return self.weighted([{"role": turn.role, "content": turn.text} for turn in self.turns], weight)

    def weighted(self, messages: list[dict[str, Any]], weight: WeightField | None) -> list[dict[str, Any]]:
        """Messages of the turns, in which those of answers have a field for their weight."""
        if weight is None:
            return messages
        given = iter(self.weights or (1.0,) * len(self.turns))
        return [
            message | {weight.name: weight.value(next(given))} if turn.role == "assistant" else message
            for message, turn in zip(messages, self.turns, strict=True)
        ]

    def paths(self) -> list[str]:
        """The pictures' paths; their files are put there."""
        return [picture.path() for picture in self.pictures]

    def parts(self) -> Iterator[tuple[str, list[str | Picture]]]:
        """By turn its role, and its text cut at the ``<image>`` marks, with the pictures in their place."""
        pictures = iter(self.pictures)
        for turn in self.turns:
            yield turn.role, [next(pictures) if part is None else part for part in cut_at_marks(turn.text)]


@dataclass(frozen=True)
class Rows:
    """The rows that are written, which can be gone through several times.

    Attributes:
        name: Name of the subset, fit for a file.
        columns: What is carried besides turns and pictures.
        own: Types of the columns that are ours: ids, task, score, rank.
        final: The absolute path of the export's folder when it is finished.
        paths: How rows name their pictures.
        n_rows: How many there are.
        weight: Says the weights of answers; None where all are 1, or the program has no field for it.
    """

    name: str
    columns: Columns
    own: Features
    final: Path
    paths: Paths
    n_rows: int
    opened: Callable[[], Iterator[Row]]
    weight: WeightField | None = None

    def __iter__(self) -> Iterator[Row]:
        return self.opened()

    def features(self, **columns: Feature) -> dict[str, Feature]:
        """Types of all columns: the given ones, with turns and pictures, between the ids and the others."""
        return {"sample_id": "string", **columns, **self.own, **self.columns.types}

    def messages(self, content: Feature = "string") -> list[Feature]:
        """Type of ``messages``, whose content is of a type."""
        weight = {} if self.weight is None else {self.weight.name: self.weight.feature}
        return [{"role": "string", "content": content, **weight}]

    def place_of(self, file: str) -> str:
        """A file of the export as its own files name it: by its absolute path, or from their folder."""
        return str(self.final / file) if self.paths == "absolute" else file

    @property
    def folder(self) -> str:
        """The export's folder in what people are told to write: by its path, or as FOLDER if that may change."""
        return str(self.final) if self.paths == "absolute" else "FOLDER"


def cut_at_marks(text: str) -> list[str | None]:
    r"""The texts around the ``<image>`` marks, None for a mark; an empty text is left out.

    A mark on a line of its own is how LLaVA writes a picture, so the line end next to it goes with it.

    Example:
        >>> cut_at_marks("<image>\nWhat is it?")
        [None, 'What is it?']
    """
    first, *others = text.split(IMAGE_MARK)
    parts: list[str | None] = [first.removesuffix("\n") if others else first]
    for index, other in enumerate(others, start=1):
        piece = other.removeprefix("\n")
        parts += [None, piece.removesuffix("\n") if index < len(others) else piece]
    return [part for part in parts if part != ""]
