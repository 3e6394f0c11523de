"""Chooses smaller fine-tuning sets for vision-language models, and proves that they train as well.

The public names are loaded when they are first used, so that ``import xmas_assets`` costs next to nothing.
"""

import logging
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xmas_assets.contracts.artifacts import SelectionKey
    from xmas_assets.contracts.errors import (
        DatasetError,
        DeviceError,
        ImageError,
        ModelError,
        SelectionError,
        SettingsError,
        StoreError,
        XmasError,
    )
    from xmas_assets.contracts.signals import SIGNALS
    from xmas_assets.data.loading import LoadedDataset, load_dataset
    from xmas_assets.data.registration import Registration
    from xmas_assets.home.home import Home
    from xmas_assets.orchestration.platform import Platform, RunFailedError
    from xmas_assets.orchestration.selection_runs import run_selections
    from xmas_assets.selection.arrays import select
    from xmas_assets.selection.base import Method
    from xmas_assets.selection.ranking import RankedMethod, Ranking, by_score
    from xmas_assets.selection.registry import (
        METHODS,
        BalancedRandom,
        ClipScore,
        Coincide,
        D2Pruning,
        DataTailor,
        El2n,
        Full,
        GradNorm,
        Icons,
        Ifd,
        InsTag,
        InstructionGpt4,
        Length,
        Less,
        Perplexity,
        Random,
        ScalSelect,
        SelfFilter,
        SelfSup,
        SemDeDup,
        Tive,
        Xmas,
        XmasCoverage,
        XmasDistinct,
    )
    from xmas_assets.selection.signal_arrays import OrderedSignals
    from xmas_assets.toy.dataset import SyntheticSettings, generate

__version__ = "0.1.0"

# peft imports it wherever it is installed, and it warns then, and with every product of an int8 layer.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

_MODULES = {
    "contracts.artifacts": ("SelectionKey",),
    "contracts.errors": (
        "DatasetError",
        "DeviceError",
        "ImageError",
        "ModelError",
        "SelectionError",
        "SettingsError",
        "StoreError",
        "XmasError",
    ),
    "contracts.signals": ("SIGNALS",),
    "data.loading": ("LoadedDataset", "load_dataset"),
    "data.registration": ("Registration",),
    "home.home": ("Home",),
    "orchestration.platform": ("Platform", "RunFailedError"),
    "orchestration.selection_runs": ("run_selections",),
    "selection.arrays": ("select",),
    "selection.base": ("Method",),
    "selection.ranking": ("RankedMethod", "Ranking", "by_score"),
    "selection.registry": (
        "METHODS",
        "BalancedRandom",
        "ClipScore",
        "Coincide",
        "D2Pruning",
        "DataTailor",
        "El2n",
        "Full",
        "GradNorm",
        "Icons",
        "Ifd",
        "InsTag",
        "InstructionGpt4",
        "Length",
        "Less",
        "Perplexity",
        "Random",
        "ScalSelect",
        "SelfFilter",
        "SelfSup",
        "SemDeDup",
        "Tive",
        "Xmas",
        "XmasCoverage",
        "XmasDistinct",
    ),
    "selection.signal_arrays": ("OrderedSignals",),
    "toy.dataset": ("SyntheticSettings", "generate"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "BalancedRandom",
    "ClipScore",
    "Coincide",
    "D2Pruning",
    "DataTailor",
    "DatasetError",
    "DeviceError",
    "El2n",
    "Full",
    "GradNorm",
    "Home",
    "Icons",
    "Ifd",
    "ImageError",
    "InsTag",
    "InstructionGpt4",
    "Length",
    "Less",
    "LoadedDataset",
    "METHODS",
    "Method",
    "ModelError",
    "OrderedSignals",
    "Perplexity",
    "Platform",
    "Random",
    "RankedMethod",
    "Ranking",
    "Registration",
    "RunFailedError",
    "SIGNALS",
    "ScalSelect",
    "SelectionError",
    "SelectionKey",
    "SelfFilter",
    "SelfSup",
    "SemDeDup",
    "SettingsError",
    "StoreError",
    "SyntheticSettings",
    "Tive",
    "Xmas",
    "XmasCoverage",
    "XmasDistinct",
    "XmasError",
    "__version__",
    "by_score",
    "generate",
    "load_dataset",
    "run_selections",
    "select",
]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'xmas_assets' has no attribute {name!r}")
    value = getattr(import_module(f"xmas_assets.{_MODULE_OF[name]}"), name)
    globals()[name] = value  # asked for once
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
