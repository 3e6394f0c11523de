"""What to do about an asset that is missing or cannot be used, in the UI and as a command: the ends of messages."""

from typing import Any

from xmas_assets.contracts.artifacts import SelectionKey

_TRAINED = {"target_model", "benchmark_scores", "leaderboard"}  # what 'xmas run' makes and 'xmas select' does not
_ANY_METHOD = {"raw_dataset", "base_model", "target_base", "leaderboard"}
OUTSIDE_SCORES = "lmms_eval_scores"
"""Tables that no asset makes: what lmms-eval answered and scored, by selection."""
_OWN_COMMANDS = {"clip_embeddings": "advise", "attention_gradient_agreement": "theory"}


def how_to_make(
    *assets: str, dataset: str = "DATASET", selection: SelectionKey | None = None, method: str = "METHOD"
) -> str:
    """How assets are made, or brought up to date.

    Args:
        *assets: Their names.
        dataset: The dataset, where it is known.
        selection: The selection, of assets that have one.
        method: A method that needs the assets, where one is known.

    Example:
        >>> how_to_make("clusters", dataset="mine", method="xmas")
        'materialize clusters in the UI, or run: xmas select mine --method xmas'
        >>> how_to_make("target_model", dataset="mine", selection=SelectionKey.parse("xmas_b0.20_s1"))
        'materialize target_model in the UI, or run: xmas run mine --method xmas --budget 0.20 --seeds 2'
    """
    if assets == (OUTSIDE_SCORES,):
        return f"run: xmas benchmark run {dataset} --runner lmms-eval --python PYTHON"
    verb = "run" if _TRAINED & set(assets) else "select"
    if selection is not None:
        seeds = f" --seeds {selection.seed + 1}" if selection.seed else ""
        words = f"{verb} {dataset} --method {selection.method} --budget {selection.budget_text}{seeds}"
    elif assets[0] in _OWN_COMMANDS and method == "METHOD":
        words = f"{_OWN_COMMANDS[assets[0]]} {dataset}"
    else:
        words = f"{verb} {dataset} --method {'random' if set(assets) <= _ANY_METHOD else method}"
    return f"materialize {', '.join(assets)} in the UI, or run: xmas {words}"


def how_to_make_again(asset: str, *, folder: str = "its folder below XMAS_HOME/tables", **known: Any) -> str:
    """How an asset is made again that counts as up to date: a command makes only what is stale or missing.

    Args:
        asset: Its name.
        folder: Where its tables are.
        **known: As of ``how_to_make``.

    Example:
        >>> how_to_make_again("clusters", folder="F", dataset="mine", method="xmas")
        'delete F, then materialize clusters in the UI, or run: xmas select mine --method xmas'
    """
    return f"delete {folder}, then {how_to_make(asset, **known)}"
