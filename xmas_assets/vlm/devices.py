"""The machine under a model: its CPU threads, and what its device does wrong, in our words."""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from xmas_assets.contracts.errors import DeviceError, ModelError
from xmas_assets.contracts.messages import first_line

# Raised by the libraries on a CUDA device, as a plain RuntimeError, where torch itself raises an AcceleratorError.
_LIBRARY_ERRORS = ("CUDA error", "cuDNN error")


def check_device(device: str, *, section: str = "base_model") -> None:
    """Refuse a device that is not there.

    Args:
        device: 'cpu' or 'cuda'.
        section: Of the settings that name it; for the message.

    Raises:
        ModelError: For 'cuda' without one.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ModelError(f"device 'cuda' is asked for, but torch sees none; set {section}.device to 'cpu'")


@contextmanager
def model_work(threads: int) -> Iterator[None]:
    """Let models run inside the block, on so many CPU threads; sums, and so results, depend on the number.

    Raises:
        ModelError: If the device's memory does not hold the work.
        DeviceError: If the device failed.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with device_failures():
            yield
    except torch.OutOfMemoryError as error:
        raise ModelError(
            f"the device's memory does not hold this work ({first_line(error)}); lower the batch size in the settings "
            "of this stage (micro_batch_size, where it trains), or use a larger device"
        ) from error
    finally:
        torch.set_num_threads(before)


@contextmanager
def device_failures() -> Iterator[None]:
    """Turn what torch raises for a device that failed (fell off the bus, lost its driver) into a ``DeviceError``."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.AcceleratorError) and not str(error).startswith(_LIBRARY_ERRORS):
            raise
        raise DeviceError(
            f"the device failed ({first_line(error)}); run again: it goes on from the last finished shard or saved "
            "state; if it fails again, look at the device's own log"
        ) from error


def peak_memory_bytes(device: torch.device) -> int:
    """Most memory held at once: allocated by torch on a GPU since it was last asked to forget, else of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return resident if sys.platform == "darwin" else resident * 1024
