"""A tiny model of each vision-language family, of the family's real classes, in the form of its directory on the hub.

Written from the families' public form, offline: nothing of it comes from the hub.
"""

from collections.abc import Callable
from pathlib import Path

from xmas_assets_tests.families import gemma, llava, mistral, qwen, tiles

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
}
