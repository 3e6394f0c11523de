from types import SimpleNamespace

import pytest
import torch

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.settings import BaseModelSettings, LoraSettings
from xmas_assets.files.model_content import model_digest
from xmas_assets.training.adapters import answer_loss, prepare_training, save_trained
from xmas_assets.vlm.batches import collate
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.loading import load_vlm
from xmas_assets.vlm.prompts import Encoder
from xmas_assets_tests.training.small import draw, make_samples


@pytest.fixture
def vlm(base):
    return load_vlm(base, BaseModelSettings())


@pytest.fixture
def batch(vlm):
    pictures = Pictures(vlm.processor, draw)
    rows, _ = Encoder.of(vlm, pictures, max_tokens=512).encode(make_samples()[:6])
    return collate(rows, pictures, pad_id=0, padding_side="right")


@pytest.mark.parametrize("lora", [None, LoraSettings(rank=2, alpha=4, dropout=0.0)])
def test_the_loss_and_its_gradients_are_the_models_own(vlm, batch, lora):
    model = prepare_training(vlm, lora)
    n_answer_tokens = int((batch["labels"] != -100).sum())
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    own = model(**batch).loss
    expected = dict(zip(trained, torch.autograd.grad(own, list(trained.values())), strict=True))
    loss = answer_loss(model, batch, n_answer_tokens)
    assert loss.item() == pytest.approx(own.item(), rel=1e-6)
    gradients = torch.autograd.grad(loss, list(trained.values()))
    for name, gradient in zip(trained, gradients, strict=True):
        torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-6)


def test_full_training_opens_all_but_the_tower(vlm):
    model = prepare_training(vlm, None)
    closed = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    assert closed == {name for name, _ in model.named_parameters() if ".vision_tower." in name}
    assert closed


def test_adapters_sit_on_every_linear_layer_of_the_language_model_and_the_connector_is_whole(vlm):
    model = prepare_training(vlm, LoraSettings(rank=2, alpha=4, dropout=0.0))
    opened = {name for name, weight in model.named_parameters() if weight.requires_grad}
    lora = {name for name in opened if "lora_" in name}
    # 3 layers of 7 linear maps, each with two factors.
    assert len(lora) == 3 * 7 * 2
    assert all("language_model.layers" in name for name in lora)
    assert {name.split("multi_modal_projector.")[1] for name in opened - lora} == {
        "modules_to_save.default.linear_1.weight",
        "modules_to_save.default.linear_1.bias",
        "modules_to_save.default.linear_2.weight",
        "modules_to_save.default.linear_2.bias",
    }


def test_a_merged_adapter_answers_like_the_trained_one(vlm, batch, base, tmp_path):
    model = prepare_training(vlm, LoraSettings(rank=2, alpha=4, dropout=0.0))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.requires_grad:
                weight += 0.02 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(len(name)))
    save_trained(model, tmp_path, vlm=vlm, dtype=torch.float32, base_digest=model_digest(base))
    merged = load_vlm(tmp_path, BaseModelSettings(), base=base)
    with torch.inference_mode():
        expected, seen = model.eval()(**batch).logits, merged.model(**batch).logits
    torch.testing.assert_close(seen, expected, rtol=1e-4, atol=1e-4)
    plain = load_vlm(base, BaseModelSettings()).model
    assert type(merged.model) is type(plain)
    assert not torch.allclose(plain(**batch).logits, expected, atol=1e-2)


def test_weights_not_finite_are_not_saved(vlm, tmp_path):
    model = prepare_training(vlm, None)
    with torch.no_grad():
        model.lm_head.weight[0, 0] = float("inf")
    with pytest.raises(ModelError, match="weights that are not finite"):
        save_trained(model, tmp_path, vlm=vlm, dtype=torch.float32, base_digest="")
    assert not list(tmp_path.iterdir())


def test_a_model_without_vision_tower_is_refused(vlm):
    with pytest.raises(ModelError, match="no vision tower"):
        prepare_training(SimpleNamespace(model=vlm.model.get_decoder(), directory="somewhere"), None)  # pyright: ignore
