"""The memory that a training is said to take: worked by hand, measured, and as profiles state it."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.profiler import ProfilerActivity, profile
from transformers import AutoConfig, AutoModelForImageTextToText

from xmas_assets.contracts.settings import TOY_MODEL, BaseModelSettings, LoraSettings, Settings, TrainingSettings
from xmas_assets.data.profiles import load_settings, profile_names, profile_notes
from xmas_assets.training.adapters import answer_loss, prepare_training, trained_weights
from xmas_assets.training.memory import estimate_memory
from xmas_assets.vlm.loading import load_vlm
from xmas_assets_tests.families import FAMILIES, others_slow
from xmas_assets_tests.training.real_shapes import REAL_SHAPES

GIB = 2**30
TOY_BASE = Path(__file__).parents[2] / "xmas_assets" / "profiles" / "tiny_base"
#: As their pages on the hub say, in thousand millions of weights.
PUBLISHED_SIZES = {
    "llava-hf/llava-1.5-7b-hf": 7.06,
    "bczhou/tiny-llava-v1-hf": 1.41,
    "Qwen/Qwen2.5-VL-3B-Instruct": 3.75,
    "Qwen/Qwen2.5-VL-7B-Instruct": 8.29,
    "Qwen/Qwen3-VL-4B-Instruct": 4.44,
    "HuggingFaceTB/SmolVLM-500M-Instruct": 0.51,
    "OpenGVLab/InternVL3-2B-hf": 2.09,
    "google/gemma-3-4b-it": 4.30,
}
N_ROWS, N_TOKENS = 4, 256


@pytest.mark.parametrize("name", REAL_SHAPES)
def test_the_shapes_have_the_published_number_of_weights(name: str):
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(REAL_SHAPES[name]())
    n_weights = sum(weight.numel() for weight in model.parameters())
    assert round(n_weights / 1e9, 2) == PUBLISHED_SIZES[name]


def test_an_estimate_is_what_is_worked_by_hand():
    """LLaVA-1.5 7B, rank 128, one row of 2048 tokens, layers run again.

    Adapters of a layer: four of 4096 to 4096, three between 4096 and 11008, each of rank 128: 128 x (4 x 8192 +
    3 x 15104) = 9,994,240; of 32 layers 319,815,680. Connector: 1024 x 4096 + 4096 + 4096 x 4096 + 4096 = 20,979,712.
    """
    n_trained = 319_815_680 + 20_979_712
    n_base = 7_063_427_072
    base = BaseModelSettings(dtype="bfloat16", max_tokens=2048)
    training = TrainingSettings(lora=LoraSettings(), micro_batch_size=1, gradient_checkpointing=True)
    found = estimate_memory(REAL_SHAPES["llava-hf/llava-1.5-7b-hf"](), base, training)
    assert found.weights == 2 * n_base + 4 * n_trained  # the connector once as it was, and once as it becomes
    assert found.gradients == 4 * n_trained
    assert found.optimizer == 8 * n_trained
    assert found.activations == 32 * 2048 * 4096 * 2 + 2 * n_trained
    assert found.transient >= 12 * 1024 * 32064  # predictions of half of the row
    assert found.total == sum(found)


def test_a_base_in_four_bits_and_averages_in_eight_take_what_is_worked_by_hand():
    """LLaVA-1.5 7B: of each of 32 layers, four matrices of 4096 x 4096 and three of 4096 x 11008 are quantised."""
    n_quantized = 32 * (4 * 4096 * 4096 + 3 * 4096 * 11008)
    config, lora = REAL_SHAPES["llava-hf/llava-1.5-7b-hf"](), LoraSettings(rank=8)
    plain = estimate_memory(config, BaseModelSettings(dtype="bfloat16"), TrainingSettings(lora=lora))
    small = estimate_memory(
        config,
        BaseModelSettings(dtype="bfloat16", quantization="nf4"),
        TrainingSettings(lora=lora, optimizer="paged_adamw_8bit"),
    )
    assert plain.weights - small.weights == pytest.approx(n_quantized * (2 - 0.516), rel=1e-3)
    assert small.optimizer == plain.optimizer / 4
    assert small.gradients == plain.gradients


def test_eager_attention_takes_more_and_flash_attention_needs_no_package_to_be_estimated():
    """A row of 2048 tokens, 15 heads: the probabilities of each of 32 layers take 15 x 2048 x 2048 x 4 bytes."""
    config, training = REAL_SHAPES["HuggingFaceTB/SmolVLM-500M-Instruct"](), TrainingSettings(micro_batch_size=1)
    eager, flash, auto = (
        estimate_memory(config, BaseModelSettings(attention=attention), training)
        for attention in ("eager", "flash_attention_2", "auto")
    )
    assert flash == auto
    assert eager.activations > auto.activations + 32 * 15 * 2048 * 2048 * 4 / 2


def test_a_micro_batch_that_is_found_by_trial_is_estimated_as_the_single_row_that_it_needs():
    config, base = AutoConfig.from_pretrained(TOY_BASE), BaseModelSettings(max_tokens=64)
    found, one = (estimate_memory(config, base, TrainingSettings(micro_batch_size=size)) for size in ("auto", 1))
    assert found == one


@pytest.mark.parametrize("is_checkpointed", [False, True], ids=["kept", "run again"])
@pytest.mark.parametrize("lora", [None, LoraSettings(rank=8, alpha=8, dropout=0.1)], ids=["full", "lora"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", others_slow(["llava", "qwen2_5_vl", "gemma3"], {"llava"}))
def test_an_estimate_is_near_what_a_step_takes(
    family: str, dtype: Any, lora: LoraSettings | None, is_checkpointed: bool, tmp_path: Path
):
    base = BaseModelSettings(dtype=dtype, max_tokens=N_TOKENS)
    training = TrainingSettings(
        lora=lora, batch_size=N_ROWS, micro_batch_size=N_ROWS, gradient_checkpointing=is_checkpointed
    )
    directory = FAMILIES[family](tmp_path)
    estimate = estimate_memory(AutoConfig.from_pretrained(directory), base, training).total
    assert 0.85 < estimate / measure(directory, base, training) < 1.35


@pytest.mark.parametrize("name", others_slow(profile_names(), {"toy", "qwen25vl_7b_nf4"}))
def test_a_profile_states_its_estimate_and_fits_its_card(name: str):
    settings, notes = load_settings(name, {}), profile_notes(name)
    largest = max(estimates(settings)) / GIB
    stated = re.fullmatch(r"(\d+\.\d) GiB", notes.memory)
    assert stated and abs(float(stated[1]) - largest) < 0.1, f"{name} takes {largest:.1f} GiB"
    if available := re.search(r"(\d+) GB", notes.card):
        assert 1.1 * largest + 0.5 < int(available[1])  # what torch cannot use, and what the driver takes


def estimates(settings: Settings) -> list[int]:
    """Of each training that the settings describe, bytes."""
    trainings = {(settings.target_base, of_memory(settings.target))}
    trainings |= {
        (settings.base_model, of_memory(one)) for one in (settings.proxy, settings.difficulty, settings.warmup)
    }
    return [estimate_memory(config_of(base), base, training).total for base, training in trainings]


def of_memory(training: TrainingSettings) -> TrainingSettings:
    """What a training's memory depends on, so that what is the same is estimated once."""
    rank = training.lora and LoraSettings(rank=training.lora.rank)
    names = ("batch_size", "micro_batch_size", "optimizer", "gradient_checkpointing")
    kept = {name: getattr(training, name) for name in names}
    return TrainingSettings(lora=rank, **kept)


def config_of(base: BaseModelSettings) -> Any:
    return AutoConfig.from_pretrained(TOY_BASE) if base.source == TOY_MODEL else REAL_SHAPES[base.source]()


def measure(directory: Path, base: BaseModelSettings, training: TrainingSettings) -> int:
    """Most bytes that tensors held during a second step on the longest rows."""
    model = prepare_training(load_vlm(directory, base), training.lora).train()
    if training.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    optimizer = torch.optim.AdamW([weight for _, weight in trained_weights(model)])
    ids = torch.randint(0, 50, (N_ROWS, N_TOKENS))
    labels = torch.where(torch.arange(N_TOKENS) < N_TOKENS // 2, -100, ids)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=base.dtype == "bfloat16"):
            loss = answer_loss(model, inputs, 1)
        loss.backward()
        optimizer.step()

    step()
    optimizer.zero_grad()
    averages = [values.nbytes for state in optimizer.state.values() for values in state.values()]
    held = sum(weight.nbytes for weight in model.parameters()) + sum(averages)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    taken = torch.tensor([event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]).cumsum(0)
    return held + int(taken.max())
