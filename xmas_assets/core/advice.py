"""Whether selection will pay on a dataset, said beforehand from measures that cost little."""

from collections.abc import Mapping

from xmas_assets.core.redundancy import Redundancy

WASTE_FROM = 0.09
"""``Redundancy.waste`` of a budget from which on ``xmas_distinct`` mostly beat random.

Source: docs/study/results.md, "rule": fitted to the map's cells, tried on the other datasets. The study's
``rule.fitted_threshold`` gives it, and a test holds the two together.
"""
BUDGETS = (0.1, 0.2)
"""Shares of the rows that the rule was fitted and tried at."""
SPACE = "image_and_text"
"""Where repeats are looked for: image and text embeddings of the base model, joined."""


def recommend(measures: Mapping[str, Redundancy]) -> str:
    """What to do with a dataset, in a sentence or two.

    Args:
        measures: By space, as from ``resources.redundancy.measure_dataset``.

    Source:
        docs/study/README.md, on small datasets and a model of 0.6 million parameters. Budgets other than ``BUDGETS``
        were not tried, and are not advised on.
    """
    if SPACE not in measures:
        return "none: too few rows have both an image and a text to tell how much they repeat one another; use random"
    waste = {f"{budget:.0%}": measures[SPACE].waste(budget) for budget in BUDGETS}
    paying = [budget for budget, lost in waste.items() if lost >= WASTE_FROM]
    lost = " and ".join(f"{lost:.0%} at a budget of {budget}" for budget, lost in waste.items())
    seen = f"repeats make a random subset miss {lost} of what it could show (the rule's border is {WASTE_FROM:.0%})"
    if not paying:
        return (
            f"{seen}: little to gain from leaving rows out by any method, and methods that seek hard or unusual rows "
            "(el2n, grad_norm, semdedup) may do harm; use random"
        )
    return (
        f"{seen}: at {' and '.join(paying)} of the rows xmas_distinct mostly beat random on datasets such as this, but "
        "not where random alone came close to full data; compare both on yours (xmas run ... --method xmas_distinct "
        "--method random)"
    )
