"""Every number that a person may set has a lower and an upper bound, and infinity and NaN are refused everywhere."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from xmas_assets.contracts import annotation, settings, signal_settings
from xmas_assets.contracts.errors import SettingsError
from xmas_assets.contracts.settings import BenchmarkSettings, MethodsSettings, TrainingSettings
from xmas_assets.data import benchmark_registration, registration
from xmas_assets.data.profiles import load_settings
from xmas_assets.selection.registry import BUILT_IN

_MODULES = (annotation, settings, signal_settings, registration, benchmark_registration)
MODELS: dict[str, type[BaseModel]] = {
    each.__name__: each
    for module in _MODULES
    for each in vars(module).values()
    if isinstance(each, type) and issubclass(each, BaseModel) and each.__module__.startswith("xmas_assets.")
} | {f"method {name}": method for name, method in BUILT_IN.items()}


def numbers(kind: Any, rules: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """The numeric types within a type, each with the rules that hold for it."""
    rules += tuple(rule for rule in getattr(kind, "__metadata__", ()) if not isinstance(rule, FieldInfo))
    rules += tuple(each for rule in getattr(kind, "__metadata__", ()) for each in getattr(rule, "metadata", ()))
    if kind in (int, float, complex):
        yield kind, rules
    for inner in get_args(kind):
        if isinstance(inner, type) or get_args(inner):
            yield from numbers(inner, rules)


def unbounded(model: type[BaseModel]) -> list[str]:
    found = []
    for name, info in model.model_fields.items():
        for _, rules in numbers(info.annotation, tuple(info.metadata)):
            below = [value for rule in rules for value in (getattr(rule, "ge", None), getattr(rule, "gt", None))]
            above = [value for rule in rules for value in (getattr(rule, "le", None), getattr(rule, "lt", None))]
            if not all(any(each is not None and math.isfinite(each) for each in side) for side in (below, above)):
                found.append(name)
    return found


@pytest.mark.parametrize("name", MODELS)
def test_every_number_has_both_bounds_and_must_be_finite(name: str):
    model = MODELS[name]
    assert unbounded(model) == []
    has_numbers = any([*numbers(info.annotation)] for info in model.model_fields.values())
    assert model.model_config.get("allow_inf_nan") is False or not has_numbers


def test_the_walk_finds_a_number_without_a_bound_wherever_it_stands():
    class Open(BaseModel):
        plain: int = 0
        optional: float | None = None
        several: tuple[float, ...] = ()
        named: Mapping[str, list[int]] = {}
        flag: bool = False
        text: str = ""

    assert unbounded(Open) == ["plain", "optional", "several", "named"]
    assert {"TrainingSettings", "EndpointSettings", "GradientSettings", "Registration"} <= MODELS.keys()


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (TrainingSettings, {"epochs": math.inf}),
        (TrainingSettings, {"weight_decay": math.nan}),
        (TrainingSettings, {"micro_batch_size": 10**21}),
        (BenchmarkSettings, {"threads": 10**12}),
        (MethodsSettings, {"parameters": {"coincide": {"temperature": math.nan}}}),
        (MethodsSettings, {"parameters": {"semdedup": {"epsilons": [0.1, math.inf]}}}),
        (BUILT_IN["coincide"], {"temperature": math.inf}),
        (BUILT_IN["semdedup"], {"epsilons": [0.1, 2.5]}),
    ],
)
def test_a_number_that_no_run_can_use_is_refused(model: type[BaseModel], values: dict[str, Any]):
    with pytest.raises(ValidationError):
        model.model_validate(values)


@pytest.mark.parametrize("section", ["proxy", "target", "warmup", "difficulty"])
def test_an_endless_gradient_norm_is_refused_with_the_value_that_clips_nothing(section: str):
    with pytest.raises(SettingsError) as caught:
        load_settings("toy", {section: {"max_grad_norm": math.inf}})
    said = f"{section}.max_grad_norm: must be finite; write 0 to clip nothing, got inf"
    assert str(caught.value) == f"profile 'toy' with overrides: {said}"
    assert getattr(load_settings("toy", {section: {"max_grad_norm": 0}}), section).max_grad_norm == 0


def test_what_large_runs_and_common_habits_set_is_accepted():
    TrainingSettings(epochs=1000, batch_size=65_536, n_steps=10**7, max_grad_norm=1e9, learning_rate=10, threads=512)
    settings.ClusterSettings(n_clusters=10**6, seed=20_261_128_184_501)
    settings.BaseModelSettings(max_tokens=10**6)
