"""An environment of its own with the stand-in for lmms-eval."""

import sys
import venv
from pathlib import Path

STAND_IN = Path(__file__).with_name("lmms_eval_stand_in.py")


def make_environment(folder: Path, *, version: str = "0.7.3") -> Path:
    """Make it; returns its interpreter. No other package is there, and nothing is downloaded."""
    venv.EnvBuilder(symlinks=True).create(folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "lmms_eval").mkdir()
    (packages / "lmms_eval" / "__init__.py").touch()
    (packages / "lmms_eval" / "__main__.py").write_bytes(STAND_IN.read_bytes())
    told = packages / f"lmms_eval-{version}.dist-info"
    told.mkdir()
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: lmms-eval\nVersion: {version}\n")
    (told / "RECORD").write_text("lmms_eval/__main__.py,sha256=abc,10\n../../../bin/lmms-eval,sha256=of-this-path,9\n")
    python = folder / "bin" / "python"
    assert python.exists() and sys.version_info >= (3, 11)
    return python
