"""Our error types. One line each: what was seen, what is allowed, what to do.

The CLI prints the message without a traceback and exits with code 2, or 1 where a run failed on its way. Anything that
is not an ``XmasError`` is a bug of ours and keeps its traceback.
"""

from typing import ClassVar


class XmasError(Exception):
    """A refused input or a user's mistake, explained in one line.

    Attributes:
        exit_code: What a command that it ends exits with.
    """

    exit_code: ClassVar[int] = 2


class SettingsError(XmasError):
    """A profile, registration, parameter or selection key that is not allowed."""


class DatasetError(XmasError):
    """A dataset that cannot be read at all (single bad rows are quarantined instead)."""


class NoRowsError(DatasetError):
    """A dataset whose records were all refused, each for a reason that is kept."""


class ImageError(XmasError):
    """An image that may not or cannot be opened; ``reason`` is its quarantine code."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["ImageError"], tuple[str, str]]:
        """An exception is pickled by its one message, which is not what this one is made of."""
        return type(self), (self.reason, self.detail)


class ModelError(XmasError):
    """A model directory, checkpoint or processor that cannot be used."""


class DeviceError(ModelError):
    """A device that failed while a model ran on it: nothing is wrong with the work, which may be tried once more."""


class SelectionError(XmasError):
    """A selection that cannot be made: missing signal, impossible budget, unusable values."""


class OutputError(XmasError):
    """A path that an output may not take, or a format that it cannot have."""


class StoreError(XmasError):
    """A stored artifact that is missing, incomplete or from something else."""
