"""Add a method in a file of your own."""

from typing import ClassVar

import numpy as np
from pydantic import Field

import xmas_assets


@xmas_assets.METHODS.register
class MiddleLength(xmas_assets.RankedMethod):
    """Keep the rows whose answers are nearest to a given length."""

    name: ClassVar[str] = "middle_length"
    paper: ClassVar[str] = "an example"
    needs: ClassVar[frozenset[str]] = frozenset({"answer_length"})
    cost: ClassVar[str] = "text"
    n_tokens: int = Field(default=5, ge=1, description="Length that is sought, tokens.")

    def _ranking(self, signals: xmas_assets.OrderedSignals) -> np.ndarray:
        return xmas_assets.by_score(np.abs(signals["answer_length"] - self.n_tokens), keep="smallest")


lengths = [1, 4, 9, 6, 30, 5]
print(xmas_assets.select("middle_length", {"answer_length": lengths}, budget=3))
print(xmas_assets.select(MiddleLength(n_tokens=30), {"answer_length": lengths}, budget=1))
