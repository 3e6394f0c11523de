"""Programs of another environment: run without a shell and without secrets, bounded in time, and never left behind."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from xmas_assets.contracts.errors import SettingsError

_WATCH = Path(__file__).with_name("program_watch.py")
_NAMES = {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH"}
_NAMES |= {"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}
_PREFIXES = ("LC_", "XDG_", "HF_", "TRANSFORMERS_", "TORCH", "PYTORCH_", "CUDA_", "NVIDIA_", "NCCL_", "OMP_", "MKL_")
_SECRET_NAME = re.compile("TOKEN|KEY|SECRET|PASSW|CREDENTIAL|AUTH")
_SECRET_VALUE = re.compile(r"://[^/\s]*@")  # an address with a password
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_TAIL_BYTES = 64 << 10
_SHORTEST_SECRET = 8  # to replace a shorter text everywhere would spoil more than it hides


def clean_environment(passed: Iterable[str] = ()) -> dict[str, str]:
    """The variables that an outside program is given: what it needs to find its files, and no secret.

    Args:
        passed: Names of variables that it is given as well, secrets included.

    Raises:
        SettingsError: If one of them is not set.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if (name.upper() in _NAMES or name.startswith(_PREFIXES))
        and not _SECRET_NAME.search(name.upper())
        and not _SECRET_VALUE.search(value)
    }
    for name in passed:
        if name not in os.environ:
            raise SettingsError(f"--pass-env {name!r} is not a variable that is set; set it, or leave the option out")
        kept[name] = os.environ[name]
    return kept


def run_program(
    command: Sequence[str], *, folder: Path, log: Path, environment: Mapping[str, str], seconds: float
) -> int | None:
    """Run a program until it ends; its output goes to a file.

    When the time is over, at Ctrl-C, and when this process is killed, the program and all processes that it started
    are ended.

    Args:
        command: Path of the program, and its arguments.
        folder: Its working directory.
        log: File that its output is written to.
        environment: All its variables.
        seconds: The longest that it may run.

    Returns:
        Its exit code; None if its time was over.

    Raises:
        SettingsError: If it cannot be started.
    """
    with log.open("wb") as stream:
        watch = subprocess.Popen(
            [sys.executable, "-I", str(_WATCH), *command],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        return watch.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        assert watch.stdin is not None
        watch.stdin.close()
        watch.wait()


def checked_python(python: Path) -> str:
    """The absolute path of an interpreter; a link is not followed, for a virtual environment's is one.

    Raises:
        SettingsError: If no program is there.
    """
    path = python.expanduser().absolute()
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise SettingsError(
            f"{str(python)!r} is not a program; give the python of the other environment, as ENV/bin/python"
        )
    return str(path)


def last_error(log: Path) -> str:
    """What an outside program said last of what went wrong, in one line; its last line where it named no error."""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        text = _COLOUR.sub("", stream.read().decode(errors="replace"))
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    errors = [number for number, line in enumerate(lines) if re.search(r"\b\w*(Error|Exception)\b", line)]
    last = errors[-1] if errors else len(lines) - 1
    length = 2 if errors and lines[last].endswith(":") else 1  # what is wrong may be on the next line
    said = " ".join(lines[last : last + length]) or "it said nothing"
    return "".join(letter if letter.isprintable() else "?" for letter in said)[:300]


def hide(values: Iterable[str], folder: Path) -> None:
    """Replace these values, secrets that a program was given, in all that it wrote into a folder."""
    secrets = [value.encode() for value in values if len(value) >= _SHORTEST_SECRET]
    for path in folder.rglob("*") if secrets else ():
        if path.is_file() and not path.is_symlink():
            found = written = path.read_bytes()
            for secret in secrets:
                written = written.replace(secret, b"***")
            if written != found:
                path.write_bytes(written)
