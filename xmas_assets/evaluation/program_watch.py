"""Runs a program in a session of its own, and ends all its processes once nobody waits for it any more.

It is run by its path, not imported, so that it starts at once. Its standard input is a pipe that nobody writes to: it
is closed when the process at the other end stops waiting, or is gone, also by SIGKILL.
"""

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress

import psutil

_GRACE_SECONDS = 3.0


def main(command: list[str]) -> int:
    """Run the command; returns its exit code once none of its processes is left."""
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    is_awaited = True
    while is_awaited and program.poll() is None:
        readable, _, _ = select.select([sys.stdin], [], [], 0.1)
        is_awaited = not readable  # at its end a pipe can be read
    _end(program)
    return program.wait()


def _end(program: subprocess.Popen[bytes]) -> None:
    """End what runs of the program, politely first, then by force."""
    family: list[psutil.Process] = []
    if program.poll() is None:
        first = psutil.Process(program.pid)
        family = [first, *first.children(recursive=True)]  # also those with a session of their own
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(program.pid, number)
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        _, family = psutil.wait_procs(family, timeout=_GRACE_SECONDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
