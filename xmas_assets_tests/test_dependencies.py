"""The project's dependencies: declared, bounded on both sides, and tested at the versions that are pinned."""

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

DISTRIBUTIONS = packages_distributions()  # takes seconds
ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
ALWAYS = [Requirement(text) for text in PROJECT["dependencies"]]
DECLARED = [
    *ALWAYS,
    *(Requirement(text) for texts in EXTRAS.values() for text in texts if not text.startswith("xmas-assets")),
]
PINNED = {
    canonicalize_name(name): version
    for name, _, version in (
        line.partition("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    )
}


def imported_modules() -> set[str]:
    """Top-level modules of others that the package imports anywhere."""
    found: set[str] = set()
    for path in (ROOT / "xmas_assets").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    return found - sys.stdlib_module_names - {"xmas_assets"}


@pytest.mark.parametrize("requirement", DECLARED, ids=lambda requirement: requirement.name)
def test_every_dependency_has_a_lower_and_an_upper_bound(requirement):
    operators = {specifier.operator for specifier in requirement.specifier}
    assert operators & {">=", ">"} and operators & {"<", "<="}, f"{requirement} needs both bounds"


@pytest.mark.parametrize("requirement", DECLARED, ids=lambda requirement: requirement.name)
def test_the_tested_version_lies_within_the_bounds(requirement):
    assert requirement.specifier.contains(PINNED[canonicalize_name(requirement.name)])


def test_every_import_is_of_a_declared_dependency():
    declared = {canonicalize_name(requirement.name) for requirement in DECLARED}
    undeclared = {
        module: DISTRIBUTIONS.get(module)
        for module in imported_modules()
        if not declared & {canonicalize_name(name) for name in DISTRIBUTIONS.get(module, [])}
    }
    assert undeclared == {}


def test_no_library_is_taken_out_of_a_corner_of_another():
    """Such as httpx out of huggingface_hub.utils: the next release may have another one there, or none."""
    taken = [
        f"{path.name}: {ast.unparse(node)}"
        for path in (ROOT / "xmas_assets").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
        if node.module.split(".")[0] not in {"xmas_assets", alias.name} and alias.name in DISTRIBUTIONS
    ]
    assert taken == []
