"""Methods of others: what is accepted, what is refused and how, and that a broken package takes nothing down."""

import re
from typing import ClassVar

import numpy as np
import pytest

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.contracts.manifest import OutsidePackage
from xmas_assets.selection.base import Cost, Method
from xmas_assets.selection.method_registry import MethodRegistry
from xmas_assets.selection.methods.random import Random
from xmas_assets.selection.registry import BUILT_IN, METHODS

WHOLE = """
from typing import ClassVar
import numpy as np
from xmas_assets.selection.base import Method

class Last(Method):
    name: ClassVar[str] = "last"
    paper: ClassVar[str] = "none"
    needs: ClassVar[frozenset[str]] = frozenset()
    cost: ClassVar[str] = "none"
    nested: ClassVar[bool] = True

    def _choose(self, signals, count, rng):
        return np.arange(signals.n_samples)[::-1][:count]
"""


class First(Method):
    name: ClassVar[str] = "first"
    paper: ClassVar[str] = "none"
    needs: ClassVar[frozenset[str]] = frozenset()
    cost: ClassVar[Cost] = "none"
    nested: ClassVar[bool] = True

    def _choose(self, signals, count, rng):
        return np.arange(count)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Puts a package with one module and one entry point on the path, as pip leaves it there."""

    def put(name: str, text: str, *, method: str = "last", leads_to: str = "Last") -> None:
        folder = tmp_path / name
        info = folder / f"{name}-2.0.dist-info"
        info.mkdir(parents=True)
        module = f"{name}_{tmp_path.name}"  # Python keeps modules by name, from one test to the next
        (folder / f"{module}.py").write_text(text)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.0\n")
        (info / "entry_points.txt").write_text(f"[xmas_assets.methods]\n{method} = {module}:{leads_to}\n")
        monkeypatch.syspath_prepend(folder)

    return put


def test_a_method_of_a_package_stands_beside_our_own(package):
    package("sound", WHOLE)
    methods = MethodRegistry(BUILT_IN)
    assert list(methods) == [*BUILT_IN, "last"]
    assert methods.package("last") == OutsidePackage(distribution="sound", version="2.0")
    assert methods.package("xmas") is None
    assert methods["last"]().select({"sample_ids": np.array(["a", "b", "c"])}, 2, 0).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("text", "method", "leads_to", "reason"),
    [
        ("raise OSError('no such\\nlibrary')", "last", "Last", r"cannot be imported .*\(OSError: no such library\)"),
        ("import sys; sys.exit(3)", "last", "Last", r"cannot be imported from broken_\w+:Last \(SystemExit: 3\)"),
        ("import not_there", "last", "Last", "ModuleNotFoundError: No module named 'not_there'"),
        ("", "last", "Last", "AttributeError"),
        ("Last = 3", "last", "Last", "is 3, not a subclass of xmas_assets.Method"),
        ("class Last: pass", "last", "Last", "not a subclass of xmas_assets.Method"),
        (WHOLE, "first", "Last", "calls itself 'last'; use one name"),
        (WHOLE.replace('"last"', '"My-Last"'), "My-Last", "Last", "calls itself 'My-Last'; use one name, words of a-z"),
        (WHOLE.replace('"last"', '"xmas"'), "xmas", "Last", "has the name of xmas_assets.selection.methods.xmas.Xmas"),
        (WHOLE.replace("    paper", "    papers"), "last", "Last", r"lacks paper: ClassVar\[str\]"),
        (WHOLE.replace("= True", "= 1"), "last", "Last", r"lacks nested: ClassVar\[bool\]"),
        (WHOLE.replace('cost: ClassVar[str] = "none"', 'cost: ClassVar[str] = "low"'), "last", "Last", "cost 'low'"),
        (WHOLE.replace("frozenset()", "frozenset({'smell'})"), "last", "Last", "needs smell, which the platform does"),
        (WHOLE.replace("_choose", "_chose"), "last", "Last", "does not define _choose"),
        (WHOLE.replace("    nested", "    k: int\n    nested"), "last", "Last", "has no default for k"),
    ],
)
def test_a_broken_package_is_named_in_one_line_and_the_others_go_on(package, text, method, leads_to, reason):
    package("broken", text, method=method, leads_to=leads_to)
    package("sound", WHOLE.replace('"last"', '"other"'), method="other")
    methods = MethodRegistry(BUILT_IN)
    assert methods.get(method) is BUILT_IN.get(method)
    assert list(methods) == [*BUILT_IN, "other"]
    (name, problem), *others = methods.problems().items()
    assert (name, others) == (method, [])
    assert problem.startswith(f"method {method!r} of package broken 2.0 ")
    assert "\n" not in problem
    assert re.search(reason, problem)


def test_a_name_that_two_packages_give_is_refused_for_both(package):
    package("one", WHOLE)
    package("two", WHOLE)
    methods = MethodRegistry(BUILT_IN)
    assert "last" not in methods
    assert "is also in another package" in methods.problems()["last"]


def test_packages_are_not_imported_for_a_method_of_ours(package):
    package("broken", "raise AssertionError('imported')")
    methods = MethodRegistry(BUILT_IN)
    assert methods["xmas"] is BUILT_IN["xmas"]
    assert "xmas" in methods
    assert methods._searched is False


def test_a_script_may_register_a_method_and_register_it_again():
    methods = MethodRegistry(BUILT_IN)
    assert methods.register(First) is First
    again = type("Again", (First,), {})
    methods.register(again)
    assert methods["first"] is again
    assert methods.package("first") is None


def test_a_script_may_not_take_the_name_of_a_method():
    methods = MethodRegistry(BUILT_IN)
    with pytest.raises(SelectionError, match=r"^method 'random' has the name of .*\.Random; use another$"):
        methods.register(type("Mine", (Random,), {}))
    with pytest.raises(SelectionError, match="not a subclass"):
        methods.register(int)  # pyright: ignore


def test_the_studys_methods_come_in_by_the_same_door():
    import study.oracles

    assert METHODS["embedding_distinct"] is study.oracles.EmbeddingDistinct
    assert METHODS.package("embedding_distinct") is None
