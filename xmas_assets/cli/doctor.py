"""``xmas doctor``: look what this machine lacks."""

import importlib.metadata
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import typer

from xmas_assets.cli.options import find_home
from xmas_assets.cli.output import is_drawn, note, print_table, prints_tables
from xmas_assets.contracts.errors import SettingsError

if TYPE_CHECKING:
    from xmas_assets.home.home import Home

app = typer.Typer()
_MIN_FREE_BYTES = 2 << 30
_LIBRARIES = ("psutil", "torch", "transformers", "peft", "dagster", "mlflow", "duckdb")


@app.command()
@prints_tables
def doctor() -> None:
    """Say what is missing on this machine, and what to do about it; exit code 2 if anything is.

    Example: xmas doctor
    """
    found = list(findings(find_home()))
    if is_drawn():
        for finding in found:
            print(f"ok   {finding.seen}" if finding.ok else f"BAD  {finding.seen}  ->  {finding.remedy}")
    else:
        print_table("findings", Finding._fields, [(ok, seen, None if ok else remedy) for ok, seen, remedy in found])
    if not all(finding.ok for finding in found):
        raise typer.Exit(2)


class Finding(NamedTuple):
    """One look at the machine: whether it is fine, what was seen, and what to do if not."""

    ok: bool
    seen: str
    remedy: str = ""


def findings(home: "Home") -> Iterator[Finding]:
    """Look at this machine: Python, libraries, memory, disk, home, GPU, MLflow."""
    yield Finding(sys.version_info >= (3, 11), f"Python {sys.version.split()[0]}", "install Python 3.11 or newer")
    libraries = {name: _version(name) for name in _LIBRARIES}
    for name, version in libraries.items():
        seen = f"{name} {version or 'is not installed'}"
        yield Finding(version is not None, seen, "run: pip install --upgrade --force-reinstall xmas-assets")
    if not all(libraries.values()):
        return  # what follows needs them
    import psutil
    import torch

    from xmas_assets.resources.tracking import Tracking

    root = home.root
    folder = next(path for path in (root, *root.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    yield Finding(
        free > _MIN_FREE_BYTES, f"{free >> 30} GiB free at {root}", "free some space, or set XMAS_HOME elsewhere"
    )
    is_writable = os.access(folder, os.W_OK)
    yield Finding(
        is_writable,
        f"{root} {'can' if is_writable else 'cannot'} be written",
        "set XMAS_HOME to a folder that you can write",
    )
    memory = psutil.virtual_memory().available
    yield Finding(memory > _MIN_FREE_BYTES, f"{memory >> 30} GiB of memory available", "close other programs")
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU (fine for the toy profile)"
    yield Finding(True, f"{gpu}; {os.cpu_count()} CPU cores")
    if folder != root:
        return  # a home that is not there has no records
    tracking = Tracking(home=home)
    try:
        address = tracking.store().shown
    except SettingsError as error:
        yield Finding(False, f"MLflow has no store: {error}", f"edit {root / 'mlflow' / 'tracking.yaml'}")
        return
    tracking.deliver(log=note)
    waiting = tracking.waiting()
    yield Finding(
        waiting == 0,
        f"{waiting} MLflow records wait for delivery to {address}",
        "look at the message above; 'xmas doctor' delivers them when the store is back",
    )


def _version(library: str) -> str | None:
    """Version of an installed library; None if it is not."""
    if importlib.util.find_spec(library) is None:
        return None
    from xmas_assets.contracts.libraries import library_versions

    try:
        return library_versions((library,))[library]
    except importlib.metadata.PackageNotFoundError:  # it is there, and its package's note is not
        return "of an unknown version"
