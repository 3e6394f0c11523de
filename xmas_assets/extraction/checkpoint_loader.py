"""Models of which memory holds a few at a time, visited so that as few as possible are loaded."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

Model = TypeVar("Model")


class ModelsInTurn(Generic[Model]):
    """Models by number; those asked for last stay in memory.

    Args:
        loaders: Each loads one.
        in_memory: How many are in memory at most, >= 1.
    """

    def __init__(self, loaders: Sequence[Callable[[], Model]], *, in_memory: int = 1) -> None:
        self._loaders = loaders
        self._in_memory = in_memory
        self._loaded: dict[int, Model] = {}  # the one asked for last comes last

    def __getstate__(self) -> dict[str, Any]:
        """Without the models in memory, which another process loads itself."""
        return vars(self) | {"_loaded": {}}

    def __len__(self) -> int:
        return len(self._loaders)

    def __getitem__(self, number: int) -> Model:
        if number in self._loaded:
            self._loaded[number] = self._loaded.pop(number)
        else:
            while len(self._loaded) >= self._in_memory:  # freed before the next is loaded
                del self._loaded[next(iter(self._loaded))]
            self._loaded[number] = self._loaders[number]()
        return self._loaded[number]

    def order(self) -> list[int]:
        """All numbers, those of models in memory first, which saves loads where the order changes no value."""
        return sorted(range(len(self)), key=lambda number: number not in self._loaded)

    def forget(self) -> None:
        """Free the memory of all of them; any is loaded again when it is asked for."""
        self._loaded.clear()
