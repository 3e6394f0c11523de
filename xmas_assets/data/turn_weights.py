"""How much of each answer is learned, by the fields that several tools put beside a turn."""

from collections.abc import Iterable, Mapping
from typing import Any

from xmas_assets.contracts.messages import shown
from xmas_assets.contracts.samples import Reason
from xmas_assets.data.refusals import RefusedError, is_empty

WEIGHT_FIELDS = ("loss", "weight", "train", "training", "loss_mask", "loss_scale", "loss_weight")
"""Fields of a turn: ``loss`` and ``loss_scale`` of ms-swift, ``weight`` of OpenAI, ``train`` of axolotl, and others."""
LEAST_WEIGHT, MOST_WEIGHT = 1e-6, 100.0


def weight_of(turn: Mapping[str, Any], where: str) -> float:
    """The product of a turn's weights; true counts as 1, false as 0, and a field that is empty or missing as 1.

    Raises:
        RefusedError: If a value, or the product, is neither 0 nor in ``LEAST_WEIGHT..MOST_WEIGHT``.
    """
    weight = 1.0
    for name in WEIGHT_FIELDS:
        if name in turn and not is_empty(turn[name]):
            weight *= _checked(turn[name], f"{name!r} of {where}")
    return _checked(weight, f"the product of the weights of {where}")


def fields_of_questions(turns: Iterable[Mapping[str, Any]]) -> list[str]:
    """Weights other than 0 of turns that are no answers, which are not read; by name."""
    asked = [turn for turn in turns if len(turn) > 2 and _speaker(turn) in ("system", "human", "user")]
    return [name for name in WEIGHT_FIELDS if any(not is_empty(turn.get(name)) and turn[name] != 0 for turn in asked)]


def _speaker(turn: Mapping[str, Any]) -> Any:
    name = turn.get("from")
    return turn.get("role") if name is None else name


def _checked(value: Any, where: str) -> float:
    if isinstance(value, bool | int | float) and (value == 0 or LEAST_WEIGHT <= value <= MOST_WEIGHT):
        return float(value)
    raise RefusedError(
        Reason.BAD_VALUE,
        f"{where} is {shown(value)}; true, false, 0 or a number from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g} is needed",
    )
