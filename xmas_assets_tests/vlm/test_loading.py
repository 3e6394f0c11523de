import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.files import model_content
from xmas_assets.files.model_content import model_digest
from xmas_assets.files.whole import file_sha256
from xmas_assets.vlm.loading import load_vlm
from xmas_assets_tests.extraction.worlds import make_adapters
from xmas_assets_tests.toy.untrained import build_untrained

SETTINGS = BaseModelSettings()


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return build_untrained(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def model(whole, tmp_path) -> Path:
    """A copy that a test may damage."""
    return shutil.copytree(whole, tmp_path / "model")


def edit(path: Path, **values) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


class Payload:
    """What a hostile pickle holds: opening it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


def test_a_directory_is_loaded_in_evaluation_mode_with_its_image_token(whole):
    vlm = load_vlm(whole, SETTINGS)
    assert not vlm.model.training
    assert vlm.processor.tokenizer.convert_ids_to_tokens(vlm.image_token_id) == "<image>"
    assert (vlm.model.dtype, vlm.directory) == (torch.float32, whole)
    assert load_vlm(whole, BaseModelSettings(dtype="bfloat16")).model.dtype == torch.bfloat16


def test_weights_in_shards_load_like_those_in_one_file(whole, tmp_path):
    sharded = shutil.copytree(whole, tmp_path / "sharded")
    (sharded / "model.safetensors").unlink()
    load_vlm(whole, SETTINGS).model.save_pretrained(sharded, max_shard_size="1MB")
    assert len(list(sharded.glob("*.safetensors"))) > 1
    first, second = load_vlm(whole, SETTINGS).model.state_dict(), load_vlm(sharded, SETTINGS).model.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_pickled_weights_are_refused_unopened(model, tmp_path):
    marker = tmp_path / "executed"
    (model / "model.safetensors").unlink()
    (model / "pytorch_model.bin").write_bytes(pickle.dumps(Payload(marker)))
    with pytest.raises(ModelError, match="only pickled weights"):
        load_vlm(model, SETTINGS)
    assert not marker.exists()


def test_a_pickle_beside_safetensors_is_never_opened(model, tmp_path):
    marker = tmp_path / "executed"
    (model / "pytorch_model.bin").write_bytes(pickle.dumps(Payload(marker)))
    load_vlm(model, SETTINGS)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "processor_config.json"])
def test_a_model_with_code_of_its_own_is_refused_and_the_code_not_run(model, name, tmp_path):
    marker = tmp_path / "executed"
    (model / "hostile.py").write_text(f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n")
    edit(model / name, auto_map={"AutoConfig": "hostile.Config", "AutoProcessor": "hostile.Processor"})
    with pytest.raises(ModelError, match="auto_map"):
        load_vlm(model, SETTINGS)
    assert not marker.exists()


def test_a_missing_shard_is_named(model):
    load_vlm(model, SETTINGS).model.save_pretrained(model, max_shard_size="1MB")
    (model / "model.safetensors").unlink(missing_ok=True)
    lost = sorted(model.glob("*.safetensors"))[1]
    lost.unlink()
    with pytest.raises(ModelError, match=lost.name):
        load_vlm(model, SETTINGS)


def test_a_directory_without_weights_or_config_is_refused(model):
    (model / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"lacks the weights \['model.safetensors'\]"):
        load_vlm(model, SETTINGS)
    (model / "config.json").unlink()
    with pytest.raises(ModelError, match=r"no config.json"):
        load_vlm(model, SETTINGS)


def test_a_directory_without_a_tokenizer_is_refused(model):
    (model / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_vlm(model, SETTINGS)


@pytest.mark.parametrize("size", [0, 7, 1000])
def test_a_truncated_weights_file_is_refused(model, size):
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_vlm(model, SETTINGS)


def test_a_header_longer_than_its_file_is_refused(model):
    (model / "model.safetensors").write_bytes((2**40).to_bytes(8, "little") + b"{}")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_vlm(model, SETTINGS)


def test_a_weight_that_is_missing_is_named_instead_of_made_up(model):
    weights = load_file(model / "model.safetensors")
    name = next(key for key in weights if "projector.linear_1.weight" in key)
    del weights[name]
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"multi_modal_projector\.linear_1\.weight"):
        load_vlm(model, SETTINGS)


def test_a_weight_that_is_not_finite_is_named(model):
    weights = load_file(model / "model.safetensors")
    name = next(key for key in weights if "projector.linear_2.bias" in key)
    weights[name][3] = float("nan")
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"not finite.*linear_2\.bias"):
        load_vlm(model, SETTINGS)


def test_a_processor_of_another_model_is_refused(model):
    edit(model / "config.json", image_token_id=5, image_token_index=5)
    with pytest.raises(ModelError, match="does not fit the model"):
        load_vlm(model, SETTINGS)


def test_damaged_json_is_reported_in_one_line(model):
    (model / "config.json").write_text('{"model_type": ')
    with pytest.raises(ModelError, match="not readable as JSON") as caught:
        load_vlm(model, SETTINGS)
    assert "\n" not in str(caught.value)


def test_cuda_without_a_device_is_refused_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelError, match="'cuda' is asked for"):
        load_vlm(tmp_path / "not even there", BaseModelSettings(device="cuda"))


@pytest.mark.parametrize(("attention", "used"), [("auto", "sdpa"), ("eager", "eager"), ("sdpa", "sdpa")])
def test_attention_is_that_of_the_settings_or_what_transformers_chooses(whole, attention, used):
    model = load_vlm(whole, BaseModelSettings(attention=attention)).model
    assert {part.config._attn_implementation for part in (model, model.get_decoder())} == {used}


def test_attention_that_this_machine_lacks_is_refused_in_one_line(whole):
    with pytest.raises(ModelError, match=r"needs a library that is missing: FlashAttention2") as caught:
        load_vlm(whole, BaseModelSettings(attention="flash_attention_2"))
    assert "\n" not in str(caught.value)


def test_an_adapter_needs_its_base(whole, tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="is an adapter on a base, which is not there"):
        load_vlm(tmp_path, SETTINGS)
    with pytest.raises(ModelError, match=r"lacks adapter_model\.safetensors"):
        load_vlm(tmp_path, SETTINGS, base=whole)


def test_an_adapter_in_bfloat16_keeps_updates_that_the_weights_would_round_away(tmp_path):
    """What a layer does to unit vectors with its own weight taken away, against scale * B A (alpha 8, rank 2)."""
    make_adapters(tmp_path, steps=(1,))
    path = tmp_path / "checkpoint-1" / "adapter_model.safetensors"
    weights = {name: values * (1e-4 if "lora_B" in name else 1) for name, values in load_file(path).items()}
    save_file(weights, path, metadata={"format": "pt"})
    name = next(name for name in weights if "lora_A" in name)
    expected = 4 * weights[name.replace("lora_A", "lora_B")] @ weights[name]
    model = load_vlm(path.parent, BaseModelSettings(dtype="bfloat16"), base=tmp_path / "base").model
    layer = model.get_submodule(name.removeprefix("base_model.model.").partition(".lora_")[0])
    layer.get_base_layer().weight.data.zero_()
    update = layer(torch.eye(expected.shape[1], dtype=torch.bfloat16)).T.float()
    assert (model.dtype, model.training) == (torch.bfloat16, False)
    assert (update - expected).norm() < 0.01 * expected.norm()


def test_the_base_of_adapters_is_hashed_once_until_it_changes(tmp_path, monkeypatch):
    make_adapters(tmp_path, steps=(1, 2))
    weights, hashed = tmp_path / "base" / "model.safetensors", []
    monkeypatch.setattr(model_content, "file_sha256", lambda path: hashed.append(path) or file_sha256(path))
    for step in (1, 2, 1):
        load_vlm(tmp_path / f"checkpoint-{step}", SETTINGS, base=tmp_path / "base")
    assert hashed.count(weights) == 1
    weights.write_bytes(weights.read_bytes() + b" ")
    with pytest.raises(ModelError, match="was trained on base"):
        load_vlm(tmp_path / "checkpoint-1", SETTINGS, base=tmp_path / "base")


def test_the_digest_changes_with_any_file_that_matters_and_with_no_other(model):
    before = model_digest(model)
    (model / "notes.md").write_text("hello")
    assert model_digest(model) == before
    digests = {before}
    for name in ("config.json", "chat_template.jinja", "tokenizer.json", "model.safetensors"):
        path = model / name
        path.write_bytes(path.read_bytes() + b" ")
        digests.add(model_digest(model))
    assert len(digests) == 5
