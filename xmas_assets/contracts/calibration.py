"""What work was seen to take: the file that a plan is computed from, measured on some rows or written by hand."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from xmas_assets.contracts.section import Section

Line = tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]]
"""``[fixed, per_unit]``: what something takes at any size, and what each unit of it adds."""


def _ascending(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] > ends[1]:
        raise ValueError("the least comes first")
    return ends


Range = Annotated[
    tuple[Annotated[float, Field(gt=0, le=1)], Annotated[float, Field(gt=0, le=1)]], AfterValidator(_ascending)
]
"""``[least, most]``, shares."""
Kind = Literal["host", "reading", "training", "answering"]
"""What a stage does: no model, forward passes, forward and backward passes, or writing answers token by token."""


class ModelSizes(Section):
    """A vision-language model in numbers, as operations are counted from."""

    language_parameters: float = Field(gt=0, description="Weights of the language model's linear layers.")
    vision_parameters: float = Field(default=0, ge=0, description="Weights of the vision side.")
    patches_per_token: float = Field(default=1, gt=0, description="Patches that the tower sees for an image token.")
    n_layers: int = Field(ge=1, description="Layers of the language model.")
    width: int = Field(ge=1, description="Heads times their dimensions in a layer's attention.")
    adapter_sides: float = Field(
        default=0, ge=0, description="Rows plus columns of its linear layers, added up: weights of adapters of rank 1."
    )


class DataSizes(Section):
    """A dataset in numbers, means over its rows."""

    n_rows: int | None = Field(default=None, ge=1, description="Rows; those of the dataset if left out.")
    tokens_per_row: float = Field(gt=0, description="Tokens of prompt and answer, image tokens included.")
    image_tokens_per_row: float = Field(default=0, ge=0, description="Of these, tokens that stand for images.")
    n_questions: int | None = Field(default=None, ge=0, description="Test questions; the dataset's if left out.")
    tokens_per_answer: float | None = Field(default=None, gt=0, description="Tokens that a target writes.")


class StageRate(Section):
    """What a stage takes, as a line over its units; null is not known."""

    device: Literal["cpu", "gpu"] = Field(default="cpu", description="What it was measured on.")
    cpu_seconds: Line | None = Field(default=None, description="Processor time, all threads.")
    clock_seconds: Line | None = Field(default=None, description="Time on the clock.")
    disk_bytes: Line | None = Field(default=None, description="What it leaves on disk.")
    memory_gib: float | None = Field(default=None, gt=0, description="The most memory that it holds at once, GiB.")


class Card(Section):
    """A GPU, as its maker states it."""

    teraflops: float = Field(gt=0, description="Peak of dense bfloat16 products, 10^12 operations a second.")
    memory_gib: float = Field(gt=0, description="Memory, GiB.")
    utilization: dict[Kind, Range] = Field(
        default={}, description="Share of the peak that work reaches, by its kind; an assumption where it is left out."
    )


class Calibration(Section):
    """What stages, models and cards are taken to do."""

    about: str = Field(default="", max_length=1000, description="Where the numbers come from.")
    measured_on: str | None = Field(default=None, description="Name of the card that the rates were measured on.")
    data: DataSizes | None = Field(default=None, description="What a row is like.")
    base_model: ModelSizes | None = Field(default=None, description="The model of proxy and signals.")
    target_base: ModelSizes | None = Field(default=None, description="That of the targets; base_model if left out.")
    stages: dict[str, StageRate] = Field(default={}, description="What stages take, by their names.")
    cards: dict[str, Card] = Field(default={}, description="Cards by name; they win over those that are known.")
