"""Every selection method by name, and the table of them that documents and CLI show."""

from collections.abc import Iterable, Mapping

from pydantic import ValidationError

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.contracts.messages import one_of, shown
from xmas_assets.contracts.section import bounds
from xmas_assets.contracts.signals import SIGNALS, requirement_of
from xmas_assets.selection.base import Method
from xmas_assets.selection.method_registry import MethodRegistry
from xmas_assets.selection.methods.balanced_random import BalancedRandom
from xmas_assets.selection.methods.clip_score import ClipScore
from xmas_assets.selection.methods.coincide import Coincide
from xmas_assets.selection.methods.d2_pruning import D2Pruning
from xmas_assets.selection.methods.datatailor import DataTailor
from xmas_assets.selection.methods.el2n import El2n
from xmas_assets.selection.methods.full import Full
from xmas_assets.selection.methods.grad_norm import GradNorm
from xmas_assets.selection.methods.icons import Icons
from xmas_assets.selection.methods.ifd import Ifd
from xmas_assets.selection.methods.instag import InsTag
from xmas_assets.selection.methods.instruction_gpt4 import InstructionGpt4
from xmas_assets.selection.methods.length import Length
from xmas_assets.selection.methods.less import Less
from xmas_assets.selection.methods.perplexity import Perplexity
from xmas_assets.selection.methods.random import Random
from xmas_assets.selection.methods.scalselect import ScalSelect
from xmas_assets.selection.methods.self_filter import SelfFilter
from xmas_assets.selection.methods.self_sup import SelfSup
from xmas_assets.selection.methods.semdedup import SemDeDup
from xmas_assets.selection.methods.tive import Tive
from xmas_assets.selection.methods.xmas import Xmas
from xmas_assets.selection.methods.xmas_coverage import XmasCoverage
from xmas_assets.selection.methods.xmas_distinct import XmasDistinct

BUILT_IN: dict[str, type[Method]] = {
    "xmas": Xmas,
    "xmas_coverage": XmasCoverage,
    "xmas_distinct": XmasDistinct,
    "coincide": Coincide,
    "semdedup": SemDeDup,
    "d2_pruning": D2Pruning,
    "self_sup": SelfSup,
    "datatailor": DataTailor,
    "scalselect": ScalSelect,
    "tive": Tive,
    "less": Less,
    "icons": Icons,
    "grad_norm": GradNorm,
    "el2n": El2n,
    "perplexity": Perplexity,
    "length": Length,
    "ifd": Ifd,
    "clip_score": ClipScore,
    "self_filter": SelfFilter,
    "instag": InsTag,
    "instruction_gpt4": InstructionGpt4,
    "random": Random,
    "balanced_random": BalancedRandom,
    "full": Full,
}
METHODS = MethodRegistry(BUILT_IN)


def make_method(name: str, parameters: Mapping[str, object]) -> Method:
    """The method of this name with these hyperparameters.

    Raises:
        SelectionError: If there is no such method, its package is broken, or a parameter is unknown or out of bounds.
    """
    if name not in METHODS:
        known = f"method {name[:80]!r} is not known; {one_of(name, METHODS)}"
        raise SelectionError(METHODS.problems().get(name, known))
    try:
        return METHODS[name].model_validate(parameters)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        allowed = ", ".join(METHODS[name].model_fields) or "none"
        raise SelectionError(
            f"parameter {'.'.join(map(str, first['loc']))} of method {name!r}: {first['msg']}, "
            f"got {shown(first['input'])}; parameters: {allowed}"
        ) from None


def parameter_problems(parameters: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Why methods cannot be made with these parameters, by method; a line for each that cannot."""
    problems = []
    for name, given in parameters.items():
        try:
            make_method(name, given)
        except SelectionError as error:
            problems.append(str(error))
    return problems


def assets_read(methods: Iterable[str]) -> set[str]:
    """The assets that these methods read signals from, raw_dataset among them."""
    return {"raw_dataset"} | {SIGNALS[name].asset for method in methods for name in METHODS[method].needs}


def method_table(methods: Mapping[str, type[Method]] = METHODS) -> str:
    """Methods as a Markdown table, one row each, in their order."""
    lines = ["| method | paper | needs | cost | nested | parameters |", "|---|---|---|---|---|---|"]
    for name, method in methods.items():
        cells = (
            f"`{name}`",
            method.paper,
            ", ".join(f"`{need}`" for need in sorted(method.needs)) or "-",
            method.cost,
            "yes" if method.nested else "no",
            "; ".join(text.rstrip(".") for text in parameters_of(method)) or "-",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(f"- {requirement}" for requirement in requirements_of(methods))])


def parameters_of(method: type[Method]) -> list[str]:
    """The method's hyperparameters, each with default, bounds, and what it is in which unit, from which source."""
    return [
        f"`{name}` = {info.default}{bounds(info.metadata)}: {info.description}"
        for name, info in method.model_fields.items()
    ]


def requirements_of(methods: Iterable[str]) -> list[str]:
    """What a person must provide, signal by signal of those that these methods need, as sentences."""
    needed = sorted({need for name in methods for need in METHODS[name].needs if requirement_of(need)})
    return [f"`{need}`: {requirement_of(need)}." for need in needed]
