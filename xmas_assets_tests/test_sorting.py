"""No order is left to chance: among equal values an unstable sort gives another order on another processor."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = [path for folder in ("xmas_assets", "study", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))]
ARBITRARY = {"argpartition", "kthvalue", "topk", "top_k", "bottom_k"}  # which of several equal values come in is open
ORDERING = {"argsort", "arg_sort", "sort_by", "group_by"}
STABLE = {"kind='stable'", "stable=True", "maintain_order=True"}


def unstable(source: str) -> Iterator[str]:
    """The calls whose result may have any order, or any of several equal values.

    Sorting values alone is harmless: ``np.sort(x)``, and ``sort()`` of a column or a list.
    """
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        by_columns = call.func.attr == "sort" and call.args and ast.unparse(call.func.value) != "np"
        is_stable = STABLE & {ast.unparse(keyword).replace('"', "'") for keyword in call.keywords}
        if call.func.attr in ARBITRARY or ((call.func.attr in ORDERING or by_columns) and not is_stable):
            yield f"line {call.lineno}: {ast.unparse(call)[-80:]}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_sort_says_that_it_is_stable(path):
    assert list(unstable(path.read_text())) == []


@pytest.mark.parametrize(
    ("source", "n_found"),
    [
        ("np.argsort(x)", 1),
        ("x.argsort(dim=1)", 1),
        ("np.argpartition(x, 3)", 1),
        ("x.topk(2)", 1),
        ("frame.sort('a').group_by('b').agg(c)", 2),
        ("np.argsort(x, kind='stable')", 0),
        ("frame.sort('a', maintain_order=True).group_by('b', maintain_order=True)", 0),
        ("np.sort(x); names.sort(); frame['a'].unique().sort(); rows.sort(key=len)", 0),
    ],
)
def test_the_rule_finds_what_it_should(source, n_found):
    assert len(list(unstable(source))) == n_found
