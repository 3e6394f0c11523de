"""How long work reports how far it is."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far a piece of work is.

    Attributes:
        done: Items finished, including ``kept``; may hold a fraction of an item.
        total: Items in all; None if that is not known.
        kept: Items that an earlier run finished: they say nothing about the speed of this one.
    """

    done: float
    total: float | None = None
    kept: float = 0.0


ProgressCallback = Callable[[Progress], None]
"""Called after each step of long work."""
