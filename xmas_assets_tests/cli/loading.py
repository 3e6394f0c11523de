"""Which modules an ``xmas`` command loads."""

import os
import subprocess
import sys
from pathlib import Path

HEAVY = {"dagster", "torch", "mlflow", "matplotlib", "scipy", "faiss", "sklearn", "transformers", "peft", "pandas"}
_PROBE = """
import sys
sys.argv = ["xmas", *{words}]
before = set(sys.modules)
from xmas_assets.cli.app import main
try:
    main()
except SystemExit:
    pass
print(*sorted(set(sys.modules) - before), file=sys.stderr)
"""


def loaded(*words: str, home: Path) -> set[str]:
    """The modules that a command loads in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE.format(words=words)],
        env=os.environ | {"XMAS_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.splitlines()[-1].split())


def packages(modules: set[str]) -> set[str]:
    """The top-level packages of modules."""
    return {module.split(".")[0] for module in modules}
