"""What a merged model is written as."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from xmas_assets.vlm.exporting import write_merged
from xmas_assets_tests.families import FAMILIES
from xmas_assets_tests.families.training import train_family

SAMPLING = {"temperature": 0.9, "top_p": 0.6}
"""As some models on the hub have it: transformers changes it when it writes it."""


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sums_of_float32_are_written_in_the_type_of_the_bases_weights(tmp_path: Path, dtype: torch.dtype):
    base = FAMILIES["qwen2_5_vl"](tmp_path / "base")
    stored = {name: values.to(dtype) for name, values in load_file(base / "model.safetensors").items()}
    save_file(stored, base / "model.safetensors", metadata={"format": "pt"})
    (base / "generation_config.json").write_text(json.dumps(SAMPLING))
    adapter = train_family(base, tmp_path / "run", "lora")[-1].path
    (tmp_path / "out").mkdir()
    write_merged(adapter, tmp_path / "out", base=base)
    written = load_file(tmp_path / "out" / "model.safetensors")
    assert written.keys() == stored.keys()
    assert {values.dtype for values in written.values()} == {dtype}
    trained = load_file(adapter / "adapter_model.safetensors")
    (name,) = [name for name in stored if name.endswith("layers.0.self_attn.q_proj.weight")]
    (down,) = [values for key, values in trained.items() if key.endswith("layers.0.self_attn.q_proj.lora_A.weight")]
    (up,) = [values for key, values in trained.items() if key.endswith("layers.0.self_attn.q_proj.lora_B.weight")]
    scale = 8 / 4  # alpha and rank of the run
    assert torch.equal(written[name], (stored[name].float() + scale * (up @ down)).to(dtype))
    assert not torch.equal(written[name], stored[name])
    assert json.loads((tmp_path / "out" / "generation_config.json").read_text()) == SAMPLING
