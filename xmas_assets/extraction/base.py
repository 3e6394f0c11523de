"""What a signal is to the pass over the data: what it must see of the model, and the numbers it makes of it."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from xmas_assets.vlm.capture import Captured, CaptureSpec


class Signal(Protocol):
    """A few numbers per row of the dataset, read while a model runs over it; one asset's table.

    Attributes:
        name: Of the asset and its table.
        every_checkpoint: Read at every checkpoint (the columns get a leading axis for it), or at the last one only.
        needs_image: Rows without an image have no value.
        version: Raised when the same inputs would give other values.
    """

    name: ClassVar[str]
    every_checkpoint: ClassVar[bool]
    needs_image: ClassVar[bool]
    version: ClassVar[int]

    def capture_spec(self, language_config: Any) -> CaptureSpec:
        """What must be seen of a model with this configuration of its language model (depth, width)."""
        ...

    def columns(self, language_config: Any) -> Mapping[str, tuple[int, ...]]:
        """Columns of the table, each with the shape of one row's value at one checkpoint; () for a number."""
        ...

    def read(self, captured: Captured) -> Mapping[str, NDArray[np.float32]]:
        """The columns' values of a batch, each of shape (batch, *shape); NaN where a row cannot have the value.

        Args:
            captured: What this signal's spec names and nothing else (``captured.only(spec)``).
        """
        ...
