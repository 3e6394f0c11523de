"""Whether selection will pay on a dataset, predicted from measures that cost little."""

from collections.abc import Mapping

from xmas_assets.core.redundancy import Redundancy

LOSS_FROM, SURE_FROM = 0.03, 0.37
"""``Redundancy.expected_loss`` of a budget from which on ``xmas_distinct`` may beat random, and from which on it did.

Source: docs/study/results.md, "rule": the lowest and the highest of the borders that fit the map's cells equally well;
tried on other datasets. The study's ``rule.undecided`` gives them, and a test holds the two together.
"""
BUDGETS = (0.1, 0.2)
"""Shares of the rows that the rule was fitted and tried at."""
SPACE = "image_and_text"
"""Where repeats are looked for: image and text embeddings of the base model, joined."""


def recommend(measures: Mapping[str, Redundancy]) -> str:
    """What to do with a dataset, in a sentence per budget.

    Args:
        measures: By space, as from ``resources.redundancy.measure_dataset``.

    Source:
        docs/study/README.md, on small datasets and a model of 0.6 million parameters. Budgets other than ``BUDGETS``
        were not tried, and are not advised on. Rows that share a question or a picture alone are no repeats here.
    """
    if SPACE not in measures:
        return "none: too few rows have both an image and a text to measure how far they repeat each other; use random"
    losses = {budget: measures[SPACE].expected_loss(budget) for budget in BUDGETS}
    return " ".join(
        f"At {budget:.0%} of the rows, repeats make a random subset miss {lost:.1%} of what it could show: "
        f"{_advice(lost)}."
        for budget, lost in losses.items()
    )


def _advice(loss: float) -> str:
    if loss < LOSS_FROM:
        return (
            f"use random; below {LOSS_FROM:.0%} xmas_distinct gained nowhere in the study, and methods that seek hard "
            "or unusual rows (el2n, semdedup) may do harm"
        )
    if loss < SURE_FROM:
        return (
            f"compare xmas_distinct with random on yours; between {LOSS_FROM:.0%} and {SURE_FROM:.0%} it gained on "
            "some datasets of the study and not on others, least where random was near full data"
        )
    return (
        f"try xmas_distinct, and compare it with random on yours; from {SURE_FROM:.0%} on it gained on every dataset "
        "of the study"
    )
