"""Whether selection will pay on a dataset, said beforehand from measures that cost little."""

from collections.abc import Mapping

from xmas_assets.core.redundancy import Redundancy

REPEATS_FROM = 0.22
"""Share of the rows that nearly repeat another one from which on ``xmas_distinct`` mostly beat random.

Source: docs/study/results.md, "rule": fitted to the map's cells, tried on the other datasets. The study's
``rule.fitted_threshold`` gives it, and a test holds the two together. The map has no cell between 5 and 39 % of the
rows.
"""
SPACE = "image_and_text"
"""Where repeats are looked for: image and text embeddings of the base model, joined."""


def recommend(measures: Mapping[str, Redundancy]) -> str:
    """What to do with a dataset, in a sentence or two.

    Args:
        measures: By space, as from ``resources.redundancy.measure_dataset``.

    Source:
        docs/study/README.md, on small datasets and a model of 0.6 million parameters. What was never measured, such as
        budgets other than 10 and 20 % of the rows, is not advised on.
    """
    if SPACE not in measures:
        return "none: too few rows have both an image and a text to tell how much they repeat one another; use random"
    share = measures[SPACE].duplicate_mass
    seen = f"{share:.0%} of the rows nearly repeat another one (the rule's border is {REPEATS_FROM:.0%})"
    if share < REPEATS_FROM:
        return (
            f"{seen}: little to gain from leaving rows out by any method, and methods that seek hard or unusual rows "
            "(el2n, grad_norm, semdedup) may do harm; use random"
        )
    return (
        f"{seen}: at 10 and 20 % of the rows xmas_distinct mostly beat random on datasets such as this, but not where "
        "random alone came close to full data; compare both on yours (xmas run ... --method xmas_distinct --method "
        "random)"
    )
