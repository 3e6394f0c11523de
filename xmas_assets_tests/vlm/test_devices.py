"""Threads are given back, and a device that fails or is too small is said in one line."""

import pytest
import torch

from xmas_assets.contracts.errors import DeviceError, ModelError
from xmas_assets.vlm.devices import model_work

LOST = "CUDA error: unspecified launch failure\nCUDA kernel errors might be asynchronously reported at some other call."


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), model_work(before + 1):
        assert torch.get_num_threads() == before + 1
        raise KeyError
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError(LOST),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemm`"),
    ],
)
def test_a_device_that_failed_is_told_from_a_mistake_and_what_to_do_is_said(error: RuntimeError):
    wanted = r"^the device failed \(CUDA error: [^\n]*\); run again: it goes on from"
    with pytest.raises(DeviceError, match=wanted), model_work(1):
        raise error


def test_a_device_whose_memory_does_not_hold_the_work_is_refused_with_the_settings_to_lower():
    wanted = r"does not hold this work \(CUDA out of memory\.\); lower .*micro_batch_size"
    with pytest.raises(ModelError, match=wanted), model_work(1):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")


def test_a_mistake_of_ours_keeps_its_traceback():
    with pytest.raises(RuntimeError, match="^mat1 and mat2 shapes cannot be multiplied$") as caught, model_work(1):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    assert not isinstance(caught.value, ModelError)
