"""``xmas model check``: what it passes, what it refuses and why, and that it guards a run before any work."""

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Qwen2VLForConditionalGeneration

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.settings import BaseModelSettings, LoraSettings, TrainingSettings
from xmas_assets.training import model_check
from xmas_assets.training.model_check import check_model, require_usable
from xmas_assets.vlm import attention
from xmas_assets.vlm.batches import collate
from xmas_assets.vlm.prompts import Encoded
from xmas_assets_tests.families import FAMILIES, REFUSED, WITH_TORCHVISION, others_slow

STEPS = ["files", "loading", "rows", "loss", "attention", "sharing", "generation", "training", "saving"]
WHY = {
    "blip2_t5": ("files", "encoder-decoder"),
    "blip2_opt": ("rows", "no chat template"),
    "mllama": ("rows", "'cross_attention_mask' by a rule that is not known"),
    **dict.fromkeys(WITH_TORCHVISION, ("loading", "torchvision")),
}


def outcome(directory: Path, settings: BaseModelSettings | None = None, **training: Any) -> tuple[str, bool, str]:
    """The last step, whether it passed, and what was seen."""
    chosen = TrainingSettings(**{"lora": LoraSettings()} | training)
    steps = list(check_model(directory, settings or BaseModelSettings(), chosen))
    assert [step.name for step in steps] == STEPS[: len(steps)]
    return steps[-1].name, steps[-1].passed, steps[-1].seen


@pytest.mark.parametrize("name", others_slow(FAMILIES))
def test_every_family_goes_through_every_step(name: str, tmp_path: Path):
    last, passed, seen = outcome(FAMILIES[name](tmp_path))
    assert (last, passed) == ("saving", True), seen


@pytest.mark.parametrize("name", ["qwen2_5_vl", "gemma3", "llava_next"])
def test_families_go_through_in_bfloat16(name: str, tmp_path: Path):
    last, passed, seen = outcome(FAMILIES[name](tmp_path), BaseModelSettings(dtype="bfloat16"))
    assert (last, passed) == ("saving", True), seen


@pytest.mark.parametrize("name", others_slow(FAMILIES))
def test_families_go_through_when_all_weights_are_trained_and_layers_recomputed(name: str, tmp_path: Path):
    last, passed, seen = outcome(FAMILIES[name](tmp_path), lora=None, gradient_checkpointing=True)
    assert (last, passed) == ("saving", True), seen
    assert seen.startswith("a saved model, loaded again, gives the same losses")


@pytest.mark.parametrize("name", WHY)
def test_what_cannot_work_is_refused_with_its_reason(name: str, tmp_path: Path):
    step, reason = WHY[name]
    last, passed, seen = outcome((REFUSED | WITH_TORCHVISION)[name](tmp_path))
    assert (last, passed) == (step, False)
    assert reason in seen


@pytest.fixture
def qwen(tmp_path: Path) -> Path:
    return FAMILIES["qwen2_vl"](tmp_path / "qwen")


def without_weights(model: Path) -> None:
    (model / "model.safetensors").unlink()


def with_a_weight_that_is_not_finite(model: Path) -> None:
    weights = load_file(model / "model.safetensors")
    weights[next(name for name in weights if "q_proj" in name)][0] = torch.nan
    save_file(weights, model / "model.safetensors", {"format": "pt"})


def with_another_models_tokens(model: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"image_token_id": 7}))


def with_a_template_that_loses_answers(model: Path) -> None:
    (model / "chat_template.jinja").write_text("{% for m in messages %}{{ m['role'] }}{% endfor %}")


@pytest.mark.parametrize(
    ("damage", "step", "reason"),
    [
        (without_weights, "files", "lacks the weights"),
        (with_a_weight_that_is_not_finite, "loading", "not finite"),
        (with_another_models_tokens, "loading", "does not fit the model"),
        (with_a_template_that_loses_answers, "rows", "loses, repeats or moves"),
    ],
)
def test_damage_is_found_at_its_step(qwen: Path, damage: Callable[[Path], None], step: str, reason: str):
    damage(qwen)
    last, passed, seen = outcome(qwen)
    assert (last, passed) == (step, False)
    assert reason in seen


def test_a_loss_that_depends_on_batch_mates_is_found(qwen: Path, monkeypatch: pytest.MonkeyPatch):
    def with_others_labels(rows: Sequence[Encoded], *arguments: Any, **options: Any) -> dict[str, torch.Tensor]:
        batch = collate(rows, *arguments, **options)
        return batch | {"labels": batch["labels"].flip(0)}

    monkeypatch.setattr(model_check, "collate", with_others_labels)
    last, passed, seen = outcome(qwen)
    assert (last, passed) == ("loss", False)
    assert "depends on its batch mates" in seen


def test_attention_that_is_read_wrongly_is_found(qwen: Path, monkeypatch: pytest.MonkeyPatch):
    scaling = attention._scaling
    monkeypatch.setattr(attention, "_scaling", lambda *arguments: 1.1 * scaling(*arguments))
    last, passed, seen = outcome(qwen)
    assert (last, passed) == ("attention", False)
    assert "differs from the model's own" in seen


def test_a_model_that_cannot_recompute_its_layers_is_refused_where_the_settings_ask_for_it(
    qwen: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Qwen2VLForConditionalGeneration, "supports_gradient_checkpointing", False)
    assert outcome(qwen)[:2] == ("saving", True)
    last, passed, seen = outcome(qwen, gradient_checkpointing=True)
    assert (last, passed) == ("training", False)
    assert seen == "qwen2_vl cannot recompute its layers; set gradient_checkpointing to false"


def test_attention_that_the_settings_name_and_this_machine_lacks_is_found_first(qwen: Path):
    last, passed, seen = outcome(qwen, BaseModelSettings(attention="flash_attention_2"))
    assert (last, passed) == ("loading", False)
    assert "needs a library that is missing: FlashAttention2" in seen


@pytest.mark.parametrize("name", ["adamw_8bit", "paged_adamw_8bit"])
def test_an_optimiser_whose_library_is_missing_is_found_first(qwen: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    last, passed, seen = outcome(qwen, optimizer=name)
    assert (last, passed) == ("files", False)
    assert "run: pip install 'xmas-assets[gpu]'" in seen


def test_a_whole_model_for_which_there_is_no_room_is_not_saved_for_the_trial(
    qwen: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    last, passed, seen = outcome(qwen, lora=None)
    assert (last, passed) == ("saving", True)
    assert seen.startswith("not tried: a model of 0.0 GB, and 0.0 GB free")


def test_the_command_that_a_refusal_names_tries_the_same(qwen: Path):
    with_another_models_tokens(qwen)
    base = BaseModelSettings(dtype="bfloat16", attention="eager")
    with pytest.raises(ModelError) as caught:
        require_usable(qwen, base, TrainingSettings(gradient_checkpointing=True), section="target_base")
    options = "--dtype bfloat16 --attention eager --full --gradient-checkpointing"
    assert str(caught.value).endswith(f"xmas model check {qwen} {options}")


def test_a_run_is_refused_in_one_line_that_names_the_step_and_the_command(qwen: Path):
    with_another_models_tokens(qwen)
    with pytest.raises(ModelError, match=r"target_base .* its loading failed: .*; look at it with: xmas model check"):
        require_usable(qwen, BaseModelSettings(), section="target_base")
