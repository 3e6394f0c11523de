"""Keeps the rows with the shortest answers: a method in a package of its own."""

from typing import ClassVar

import numpy as np
from pydantic import Field

from xmas_assets.selection.base import Cost
from xmas_assets.selection.ranking import RankedMethod
from xmas_assets.selection.signal_arrays import OrderedSignals


class ShortAnswers(RankedMethod):
    """Keep the rows whose answers have the fewest tokens, but none shorter than a given length before the others."""

    name: ClassVar[str] = "short_answers"
    paper: ClassVar[str] = "an example"
    needs: ClassVar[frozenset[str]] = frozenset({"answer_length"})
    cost: ClassVar[Cost] = "text"
    shortest: int = Field(default=0, ge=0, description="Answers with fewer tokens come last.")

    def _ranking(self, signals: OrderedSignals) -> np.ndarray:
        lengths = signals["answer_length"]
        return np.lexsort((lengths, lengths < self.shortest))
