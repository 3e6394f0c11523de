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
    # More threads are slower. Of the 9 ms (CLIP) or 15 ms (Qwen2-VL) that the processors take for a JPEG of 640x480
    # pixels, decoding is 2; most of the rest holds Python's lock, and two threads on two cores took 18 and 24 ms.
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
