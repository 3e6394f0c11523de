"""What a user should know before anything is trained: what scores will mean, and which rows models will not read whole.

The samples and the base models are up to date by then.
"""

from collections.abc import Callable, Sequence

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.orchestration.platform import Platform
from xmas_assets.report.contamination import contamination_notes
from xmas_assets.selection.registry import assets_read
from xmas_assets.stages.answer_limits import cut_references
from xmas_assets.stages.contamination import scored_contamination
from xmas_assets.stages.long_rows import rows_too_long


def say_what_scores_mean(
    platform: Platform, dataset: str, keys: Sequence[SelectionKey], *, say: Callable[[str], None]
) -> None:
    """Say which right answers are too long and what training shares with the questions, if any will be asked."""
    if _any_stale(platform, dataset, keys, "benchmark_scores"):
        counts = scored_contamination(platform.home, dataset)
        for sentence in (*cut_references(platform.home, dataset), *contamination_notes(counts)):
            say(sentence)


def say_what_is_too_long(
    platform: Platform,
    dataset: str,
    keys: Sequence[SelectionKey],
    *,
    stages: Sequence[str],
    say: Callable[[str], None],
) -> None:
    """Say which rows a model will not read whole, if it is going to read any."""
    readers = platform.links.behind(assets_read(key.method for key in keys))
    will_read = {"base_model": bool(platform.stale(readers, dataset))}
    if "target_model" in stages:
        will_read["target_base"] = _any_stale(platform, dataset, keys, "target_model")
    for sentence in [rows_too_long(platform.home, dataset, asset=asset) for asset, will in will_read.items() if will]:
        if sentence:
            say(sentence)


def _any_stale(platform: Platform, dataset: str, keys: Sequence[SelectionKey], stage: str) -> bool:
    partitions = [f"{dataset}|{key}" for key in keys]
    return any(platform.freshness().stale_by_partition([stage], partitions).values())
