"""Which versions name stored work: those that decide it, from one list."""

import ast
import re
from pathlib import Path

import numpy

from xmas_assets.contracts.libraries import CHOOSING, READING, library_versions

PACKAGE = Path(__file__).parents[2] / "xmas_assets"
DISTRIBUTIONS = {"sklearn": "scikit-learn", "faiss": "faiss-cpu"}


def imported(*rooms: str) -> set[str]:
    """Distributions that the files of some rooms import anywhere."""
    found = set()
    for room in rooms:
        for path in (PACKAGE / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    found |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    found.add(node.module.split(".")[0])
    return {DISTRIBUTIONS.get(name, name) for name in found}


def test_choices_name_the_libraries_that_arithmetic_imports():
    assert imported("core") & {"numpy", "scipy", "scikit-learn", "faiss-cpu", "torch", "polars"} == set(CHOOSING)


def test_signals_name_the_libraries_that_run_models():
    """``safetensors``, ``PIL`` and ``pyarrow`` read and write values and do not change them."""
    assert set(READING) <= imported("vlm")


def test_a_version_is_that_of_the_installed_library():
    assert library_versions(("numpy",)) == {"numpy": numpy.__version__}


def test_no_other_file_asks_for_the_version_of_a_library():
    asks = re.compile(r"importlib\.metadata import .*\bversion\b|metadata\.version\(")
    askers = {path.name for path in PACKAGE.rglob("*.py") if asks.search(path.read_text())}
    assert askers == {"libraries.py"}
