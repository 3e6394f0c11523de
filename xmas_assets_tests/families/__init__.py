"""A tiny model of each vision-language family, of the family's real classes, in the form of its directory on the hub.

Written from the families' public form, offline: nothing of it comes from the hub.
"""

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import pytest

from xmas_assets_tests.families import gemma, llava, mistral, qwen, refused, tiles, with_torchvision

#: Builds the family's model into a directory, and gives the directory back.
FAMILIES: dict[str, Callable[[Path], Path]] = {
    "llava": llava.build_llava,
    "llava_next": llava.build_llava_next,
    "llava_onevision": llava.build_llava_onevision,
    "qwen2_vl": qwen.build_qwen2_vl,
    "qwen2_5_vl": qwen.build_qwen2_5_vl,
    "qwen3_vl": qwen.build_qwen3_vl,
    "smolvlm": tiles.build_smolvlm,
    "idefics3": tiles.build_idefics3,
    "paligemma": gemma.build_paligemma,
    "paligemma2": gemma.build_paligemma2,
    "internvl": tiles.build_internvl,
    "gemma3": gemma.build_gemma3,
    "mistral3": mistral.build_mistral3,
    "pixtral": mistral.build_pixtral,
    "glm4v": qwen.build_glm4v,
    "ovis2": tiles.build_ovis2,
    "aya_vision": tiles.build_aya_vision,
    "qwen3_5": qwen.build_qwen3_5,
    "gemma4": gemma.build_gemma4,
}
#: The same of families that load only where torchvision is installed.
WITH_TORCHVISION: dict[str, Callable[[Path], Path]] = {
    "lfm2_vl": with_torchvision.build_lfm2_vl,
    "llama4": with_torchvision.build_llama4,
    "molmo2": with_torchvision.build_molmo2,
}
#: The same of families that the product refuses.
REFUSED: dict[str, Callable[[Path], Path]] = {
    "blip2_t5": refused.build_blip2_t5,
    "blip2_opt": refused.build_blip2_opt,
    "mllama": refused.build_mllama,
}
#: Those that most people fine-tune: what takes long is tried on the others among the slow tests only.
MOST_USED = ("llava", "qwen2_5_vl", "gemma3", "internvl")


def others_slow(names: Iterable[str], quick: Collection[str] = MOST_USED) -> list:
    """Parameters of a test that takes long: all names, those that are not among the quick ones marked as slow."""
    return [pytest.param(name, marks=[pytest.mark.slow] * (name not in quick)) for name in names]
