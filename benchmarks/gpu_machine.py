"""What a measurement on a card depends on besides our code: the card, its driver, and the libraries."""

import platform
import shutil
import subprocess

import torch
import transformers


def describe_machine(device: str) -> dict[str, str]:
    """Name the card and its memory, driver and libraries.

    Args:
        device: 'cuda', or 'cpu' for a dry run.
    """
    libraries = {"torch": torch.__version__, "transformers": transformers.__version__}
    if device == "cpu":
        return {"device": f"{platform.machine()}, dry run", **libraries}
    properties = torch.cuda.get_device_properties(0)
    card = {"device": properties.name, "memory_gib": f"{properties.total_memory / 2**30:.1f}"}
    return {**card, "driver": _driver(), "cuda": str(torch.version.cuda), **libraries}


def _driver() -> str:
    if shutil.which("nvidia-smi") is None:
        return "unknown: no nvidia-smi"
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return found.stdout.partition("\n")[0].strip() or "unknown"
