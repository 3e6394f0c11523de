"""Whether selection will pay on a dataset, said beforehand from measures that cost little.

The rule comes out of the study (docs/study, parts "map" and "main"); its constants belong at the top of this file.
"""

from collections.abc import Mapping

from xmas_assets.core.redundancy import Redundancy


def recommend(measures: Mapping[str, Redundancy]) -> str:
    """What to do with a dataset, in a sentence.

    Args:
        measures: By space, as from ``resources.redundancy.measure_dataset``.

    Source:
        To be fitted in docs/study. Until then it gives no advice, whatever the measures.
    """
    return (
        f"no rule fitted yet. {len(measures)} spaces were measured, but at which values selection pays is for the "
        "study (docs/study) to say; until then compare a method with random on your own data (xmas run)."
    )
