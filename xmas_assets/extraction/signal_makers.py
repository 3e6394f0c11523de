"""The signals that a pass over the data can read, made of a dataset's settings."""

from collections.abc import Iterable
from pkgutil import resolve_name

from xmas_assets.contracts.settings import Settings
from xmas_assets.contracts.signals import SIGNAL_ASSETS
from xmas_assets.extraction.base import Signal


def make_signals(names: Iterable[str], settings: Settings) -> list[Signal]:
    """Make signals to be read in one pass.

    Args:
        names: Out of ``READ_IN_ONE_PASS``; a signal bears the name of its asset.
        settings: The dataset's.

    Returns:
        The signals in the order of ``names``. Two of them are equal, and have the same ``repr``, if their settings are.
    """
    return [_make(name, settings) for name in names]


def _make(name: str, settings: Settings) -> Signal:
    row = SIGNAL_ASSETS[name]
    make = resolve_name(f"{__package__}.{row.reader}")
    return make(settings.sections()[row.settings]) if row.settings else make()
