"""What a model needs next, made ready in a thread while it runs."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

_ITEMS_AHEAD = 2
Item = TypeVar("Item")
Made = TypeVar("Made")


def ahead(make: Callable[[Item], Made], items: Iterable[Item]) -> Generator[Made, None, None]:
    """Make each item in a thread, in order and a few ahead of the one in use."""
    left = iter(items)
    with ThreadPoolExecutor(1) as pool:
        waiting = deque(pool.submit(make, item) for item in islice(left, _ITEMS_AHEAD))
        try:
            while waiting:
                made = waiting.popleft().result()
                waiting.extend(pool.submit(make, item) for item in islice(left, 1))
                yield made
        finally:
            for future in waiting:
                future.cancel()
