"""A program that trains from what we write: the one thing that a file of this package gives to the registry."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from xmas_assets.data.trainers.columns import Carried
from xmas_assets.data.trainers.pictures import ImageFiles, Paths
from xmas_assets.data.trainers.rows import Rows, WeightField

AS_FILES: tuple[ImageFiles, ...] = ("copy", "link", "leave")


class Guide(NamedTuple):
    """What the ``README.md`` of a folder says: how to load it, and the YAML head, if the program reads one."""

    text: str
    head: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Tool:
    """A program, or a form that several programs read.

    Attributes:
        name: What ``xmas export --for`` calls it.
        title: What people call it.
        write: Writes the rows, and the registration that the program wants, to a folder.
        image_files: What can be done with the pictures' files; the first is done if nothing is said.
        paths: How rows name their pictures if nothing is said.
        carried: What the form does with fields of the source that we do not understand.
        taken: Names of columns that the program gives a meaning; a field of the source that has one is renamed.
        weight: The field beside an answer that says its weight; None if there is none.
        marks: Texts that the program takes for the place of a video, a sound or a box; rows with one are left out.
    """

    name: str
    title: str
    write: Callable[[Rows, Path], Guide]
    image_files: tuple[ImageFiles, ...] = AS_FILES
    paths: Paths = "relative"
    carried: Carried = "typed"
    taken: frozenset[str] = frozenset()
    marks: tuple[str, ...] = ()
    weight: WeightField | None = None
