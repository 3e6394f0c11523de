"""``xmas doctor``: look what this machine lacks."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import typer

from xmas_assets.cli.options import open_home
from xmas_assets.cli.output import note

if TYPE_CHECKING:
    from xmas_assets.home.home import Home

app = typer.Typer()
_MIN_FREE_BYTES = 2 << 30
_LIBRARIES = ("psutil", "torch", "transformers", "peft", "dagster", "mlflow", "duckdb")


@app.command()
def doctor() -> None:
    """Say what is missing on this machine, and what to do about it; exit code 2 if anything is.

    Example: xmas doctor
    """
    bad = False
    for finding in findings(open_home()):
        print(f"ok   {finding.seen}" if finding.ok else f"BAD  {finding.seen}  ->  {finding.remedy}")
        bad |= not finding.ok
    if bad:
        raise typer.Exit(2)


class Finding(NamedTuple):
    """One look at the machine: whether it is fine, what was seen, and what to do if not."""

    ok: bool
    seen: str
    remedy: str = ""


def findings(home: "Home") -> Iterator[Finding]:
    """Look at this machine: Python, libraries, memory, disk, home, GPU, MLflow."""
    yield Finding(sys.version_info >= (3, 11), f"Python {sys.version.split()[0]}", "install Python 3.11 or newer")
    libraries = {name: importlib.util.find_spec(name) is not None for name in _LIBRARIES}
    for name, found in libraries.items():
        seen = f"{name} {'is' if found else 'is not'} installed"
        yield Finding(found, seen, "run: pip install --upgrade --force-reinstall xmas-assets")
    if not all(libraries.values()):
        return  # what follows needs them
    import psutil
    import torch

    from xmas_assets.resources.tracking import Tracking

    root = home.path()
    free = shutil.disk_usage(root).free
    yield Finding(
        free > _MIN_FREE_BYTES, f"{free >> 30} GiB free at {root}", "free some space, or set XMAS_HOME elsewhere"
    )
    memory = psutil.virtual_memory().available
    yield Finding(memory > _MIN_FREE_BYTES, f"{memory >> 30} GiB of memory available", "close other programs")
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU (fine for the toy profile)"
    yield Finding(True, f"{gpu}; {os.cpu_count()} CPU cores")
    tracking = Tracking(home=home)
    tracking.deliver(log=note)
    waiting = tracking.waiting()
    yield Finding(
        waiting == 0,
        f"{waiting} MLflow records wait for delivery to {tracking.tracking_uri()}",
        "look at the message above; 'xmas doctor' delivers them when the store is back",
    )
