"""``xmas`` commands as processes, forked from one that has loaded all libraries: four at once cost one load."""

import os
import sys
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

_LOADED = ["mlflow", "peft", "dagster_postgres", "xmas_assets.vlm.answer_lengths", "xmas_assets.orchestration.platform"]


def start(words: tuple[str, ...], variables: dict[str, str], log: Path) -> ForkServerProcess:
    """Start an ``xmas`` command with these variables; what it says goes to ``log``."""
    context = get_context("forkserver")
    context.set_forkserver_preload([*_LOADED, __name__])
    process = context.Process(target=_command, args=(words, variables, log))
    process.start()
    return process


def _command(words: tuple[str, ...], variables: dict[str, str], log: Path) -> None:
    from xmas_assets.cli.app import main

    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ |= variables
    sys.argv = ["xmas", *words]
    main()
