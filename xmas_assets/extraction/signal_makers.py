"""The signals that a pass over the data can read, by the name of their asset."""

from collections.abc import Callable, Iterable

from xmas_assets.contracts.settings import Settings
from xmas_assets.extraction.activations import AttendedFeatures, BlockActivations, PooledFeatures, TokenSpectra
from xmas_assets.extraction.answer_scores import AnswerScores
from xmas_assets.extraction.attention_maps import AttentionMaps
from xmas_assets.extraction.base import Signal
from xmas_assets.extraction.trajectories import AttentionSpectra

#: How each is made of a profile's settings; a new signal is a line here.
SIGNAL_MAKERS: dict[str, Callable[[Settings], Signal]] = {
    "attention_trajectories": lambda settings: AttentionSpectra.of(settings.trajectories),
    "attention_maps": lambda settings: AttentionMaps(settings.signals.attention_maps),
    "block_activations": lambda settings: BlockActivations(settings.signals.block_activations),
    "features": lambda _: PooledFeatures(),
    "token_spectra": lambda _: TokenSpectra(),
    "attended_features": lambda settings: AttendedFeatures(settings.signals.attended_features),
    "answer_scores": lambda _: AnswerScores(),
}


def make_signals(names: Iterable[str], settings: Settings) -> list[Signal]:
    """Make signals to be read in one pass.

    Args:
        names: Out of ``SIGNAL_MAKERS``; a signal bears the name of its asset.
        settings: The dataset's.

    Returns:
        The signals in the order of ``names``. Two of them are equal, and have the same ``repr``, if their settings are.
    """
    return [SIGNAL_MAKERS[name](settings) for name in names]
