"""Every import points down: who may import whom, checked over all imports, also those inside functions."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "xmas_assets"

# A package may import packages of lower floors and itself, never its neighbours.
FLOORS = {
    "core": 0,
    "contracts": 0,
    "files": 1,
    "data": 2,
    "vlm": 2,
    "selection": 2,
    "store": 2,
    "scale": 3,
    "training": 3,
    "toy": 3,
    "evaluation": 3,
    "report": 3,
    "extraction": 4,
    "annotation": 4,
    "checks": 4,
    "home": 4,
    "stages": 5,
    "resources": 6,
    "assets": 7,
    "definitions": 8,
    "orchestration": 9,
    "web": 10,
    "cli": 11,
    "__main__": 12,
}
ALONE = {"core", "contracts"}  # these import nothing of ours but themselves
SHARED_BY_ASSETS = {"partitions"}  # the one module that asset files have in common

# Who may import these at all, and who only inside a function (they are slow to load).
DAGSTER = {"resources", "assets", "definitions", "orchestration", "web"}
ROOMS = {
    "dagster": (DAGSTER, set()),
    "mlflow": ({"resources", "web"}, {"resources", "web"}),
    "ray": ({"scale"}, {"scale"}),
    "obstore": ({"files"}, {"files"}),
    "torch": (
        {"vlm", "training", "toy", "extraction", "annotation", "evaluation", "cli"},
        {"cli"},
    ),
    "transformers": ({"vlm", "training", "toy", "evaluation"}, set()),
    "peft": ({"vlm", "training"}, set()),
    "duckdb": ({"store"}, set()),
    "matplotlib": ({"report"}, {"report"}),
    "typer": ({"cli"}, set()),
    "sklearn": ({"core"}, {"core"}),
    "faiss": ({"core"}, {"core"}),
    "scipy": ({"core"}, {"core"}),
    "pyarrow": (
        {"data", "store", "vlm", "scale", "extraction", "annotation", "training", "evaluation", "report", "home"}
        | {"stages", "resources"},
        set(),
    ),
}
NOT_ON_FLOOR_0 = {"polars", "pyarrow", "PIL", "yaml", "orjson", "safetensors"}
"""Beside what ROOMS bans: files, tables and pictures are for floor 1 and up."""


def room_of(path: Path) -> str:
    """``core`` for ``xmas_assets/core/x.py``, ``cli`` for ``xmas_assets/cli/app.py``."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> Iterator[tuple[str, bool]]:
    """Every imported module with its dots, and whether the import runs when the file is loaded."""
    yield from _imports(ast.parse(path.read_text()), at_load=True)


def _imports(node: ast.AST, *, at_load: bool) -> Iterator[tuple[str, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, at_load) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = "." * child.level + (child.module or "")
            ours = base == "xmas_assets"
            yield from ((f"{base}.{alias.name}" if ours else base, at_load) for alias in child.names)
        deferred = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _is_type_checking(child)
        yield from _imports(child, at_load=at_load and not deferred)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def complaints(path: Path) -> list[str]:
    """What is wrong with a file's imports, in words."""
    found = []
    for module, at_load in imports_of(path):
        parts = module.split(".")
        if parts[0] == "":
            found.append(f"{path.name}: relative import {module}")
        elif parts[0] == "xmas_assets":
            found += _inside(path, parts)
        else:
            found += _outside(path, parts[0], at_load=at_load)
    return found


def _inside(path: Path, parts: list[str]) -> list[str]:
    here, there = room_of(path), parts[1]
    if there == here:
        if here == "assets" and parts[2] not in SHARED_BY_ASSETS:
            return [f"{path.name}: asset files do not import each other, only {sorted(SHARED_BY_ASSETS)}"]
        return []
    if there == "__version__":
        return []
    if there not in FLOORS:
        return [f"{path.name}: xmas_assets.{there} has no floor; give it one in FLOORS"]
    below = FLOORS[there] < FLOORS[here] and here not in ALONE
    return [] if below else [f"{path.name}: {here} may not import {there}"]


def _outside(path: Path, module: str, *, at_load: bool) -> list[str]:
    here = room_of(path)
    allowed, deferred = ROOMS.get(module, (set(FLOORS), set()))
    if here not in allowed or (here in ALONE and module in NOT_ON_FLOOR_0):
        return [f"{path.name}: {here} may not import {module}"]
    if here in deferred and at_load:
        return [f"{path.name}: {here} may import {module} inside functions only"]
    return []


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(PACKAGE)) for path in FILES])
def test_every_import_points_down(path):
    assert complaints(path) == []


def test_only_the_tracking_its_files_and_the_server_know_mlflow():
    importers = {path.name for path in FILES for module, _ in imports_of(path) if module.split(".")[0] == "mlflow"}
    assert importers <= {"tracking.py", "tracked_files.py", "mlflow_server.py"}


def test_no_file_but_the_guarded_server_knows_dagsters_private_modules():
    """Dagster has no hook in front of its web app; ``web/dagster_server.py`` says so."""
    importers = {path.name for path in FILES for module, _ in imports_of(path) if module.startswith("dagster._")}
    assert importers <= {"dagster_server.py"}


def test_every_package_has_a_floor():
    assert {room_of(path) for path in FILES} <= set(FLOORS)


@pytest.mark.parametrize(
    ("room", "line", "complaint"),
    [
        ("core", "import torch", "core may not import torch"),
        ("core", "from xmas_assets.contracts import errors", "core may not import contracts"),
        ("core", "import polars", "core may not import polars"),
        ("data", "def f():\n    from xmas_assets.store.tables import Table", "data may not import store"),
        ("store", "from xmas_assets import assets", "store may not import assets"),
        ("evaluation", "import xmas_assets.training.trainer", "evaluation may not import training"),
        ("scale", "import ray.data", "scale may import ray inside functions only"),
        ("assets", "from xmas_assets.assets.clusters import clusters", "asset files do not import each other"),
        ("selection", "from .base import Method", "relative import .base"),
        ("vlm", "from xmas_assets.utils import x", "xmas_assets.utils has no floor"),
    ],
)
def test_an_import_that_points_up_or_sideways_is_found(monkeypatch, tmp_path, room, line, complaint):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    path = tmp_path / room / "wrong.py"
    path.parent.mkdir()
    path.write_text(line)
    assert [complaint in found for found in complaints(path)] == [True]


def test_a_deferred_import_is_allowed_where_it_must_be_deferred(monkeypatch, tmp_path):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    path = tmp_path / "scale" / "right.py"
    path.parent.mkdir()
    path.write_text("def run():\n    import ray\n")
    assert complaints(path) == []
