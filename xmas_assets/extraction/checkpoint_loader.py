"""Models of which memory holds one at a time, visited so that as few as possible are loaded."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

Model = TypeVar("Model")


class ModelsInTurn(Generic[Model]):
    """Models by number; the one asked for last stays in memory.

    Args:
        loaders: Each loads one.
    """

    def __init__(self, loaders: Sequence[Callable[[], Model]]) -> None:
        self._loaders = loaders
        self._loaded: tuple[int, Model] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without the model in memory, which another process loads itself."""
        return vars(self) | {"_loaded": None}

    def __len__(self) -> int:
        return len(self._loaders)

    def __getitem__(self, number: int) -> Model:
        if self._loaded is None or self._loaded[0] != number:
            self._loaded = None  # freed before the next is loaded
            self._loaded = (number, self._loaders[number]())
        return self._loaded[1]

    def order(self) -> list[int]:
        """All numbers, that of the model in memory first, which saves a load where the order changes no value."""
        loaded = None if self._loaded is None else self._loaded[0]
        return sorted(range(len(self)), key=lambda number: number != loaded)
