"""Every packaged profile on a tiny model of its family: the gate before a run, then proxy and target."""

from pathlib import Path

import pytest

from xmas_assets.contracts.settings import TOY_MODEL, BaseModelSettings
from xmas_assets.data.profiles import load_settings, profile_names
from xmas_assets.training.model_check import require_usable
from xmas_assets.vlm.probes import draw_probe
from xmas_assets_tests.families import FAMILIES, others_slow
from xmas_assets_tests.families.training import SAMPLES
from xmas_assets_tests.training.real_shapes import REAL_SHAPES
from xmas_assets_tests.training.small import train


def family_of(base: BaseModelSettings) -> str:
    return "llava" if base.source == TOY_MODEL else REAL_SHAPES[base.source]().model_type


@pytest.mark.parametrize("name", others_slow(profile_names(), {"toy", "paper_xmas", "qwen25vl_7b_nf4"}))
def test_a_profile_goes_through_the_gate_and_trains_on_its_family(name: str, tmp_path: Path):
    settings = load_settings(name, {})
    bases = {"base_model": settings.base_model, "target_base": settings.target_base}
    if any(base.quantization != "none" for base in bases.values()):
        pytest.importorskip("bitsandbytes")
    for section, base in bases.items():
        FAMILIES[family_of(base)](tmp_path / section)
    for base in set(bases.values()):
        section = next(section for section, one in bases.items() if one == base)
        require_usable(tmp_path / section, on_cpu(base), section=section)
    for section, training in (("base_model", settings.proxy), ("target_base", settings.target)):
        small = {"n_steps": training.n_checkpoints, "batch_size": 2, "micro_batch_size": 2}
        checkpoints = train(
            tmp_path / section, tmp_path / f"{section} trained", samples=SAMPLES, open_image=draw_probe,
            settings=training.model_copy(update=small), base_settings=on_cpu(bases[section]),
        )  # fmt: skip
        assert len(checkpoints) == training.n_checkpoints


def on_cpu(base: BaseModelSettings) -> BaseModelSettings:
    return base.model_copy(update={"device": "cpu"})
