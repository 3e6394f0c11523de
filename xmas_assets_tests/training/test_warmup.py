import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from xmas_assets.contracts.settings import BaseModelSettings, WarmupSettings
from xmas_assets.training.warmup import warm_up, warmup_rows
from xmas_assets.vlm.adapters import read_adam_state, read_lora
from xmas_assets_tests.training.small import LORA, draw, make_samples, weights

SETTINGS = WarmupSettings(
    lora=LORA, epochs=2.0, batch_size=4, micro_batch_size=2, n_checkpoints=3, resume_steps=3, warmup_fraction=0.25
)


def train(base, output, **options):
    defaults = {"samples": make_samples(), "open_image": draw, "settings": SETTINGS}
    return warm_up(base=base, base_settings=BaseModelSettings(), output=output, **defaults | options)


@pytest.fixture(scope="module")
def watched(base, tmp_path_factory):
    """Checkpoints of an undisturbed run, the rate that each step was taken with, and Adam's state as the run had it."""
    rates, states = [], {}
    step = torch.optim.AdamW.step

    def note(optimizer, *args, **options):
        rates.append(optimizer.param_groups[0]["lr"])
        result = step(optimizer, *args, **options)
        states[len(rates)] = {
            tuple(weight.shape): state["exp_avg"].clone()
            for weight, state in optimizer.state.items()
            if weight.shape == (4, 128)  # of the last projection in an MLP, the only ones of this shape
        }
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", note)
        checkpoints = train(base, tmp_path_factory.mktemp("warm-up") / "run")
    return checkpoints, rates, states


def test_each_checkpoint_holds_the_mean_learning_rate_of_the_steps_that_led_to_it(watched):
    checkpoints, rates, _ = watched
    assert [checkpoint.step for checkpoint in checkpoints] == [4, 8, 12]
    kept = [read_adam_state(checkpoint.path, "cpu").learning_rate for checkpoint in checkpoints]
    assert rates[0] == 0  # a warm-up of 3 of 12 steps begins at 0
    assert kept == pytest.approx([np.mean(rates[:4]), np.mean(rates[4:8]), np.mean(rates[8:])])


def test_each_checkpoint_holds_adams_moments_of_its_step(watched):
    checkpoints, _, states = watched
    for checkpoint in checkpoints:
        state, lora = read_adam_state(checkpoint.path, "cpu"), read_lora(checkpoint.path, "cpu")
        assert (state.step, state.betas, state.epsilon) == (checkpoint.step, (0.9, 0.999), 1e-8)
        assert set(state.moments) == set(lora)
        for name, layer in lora.items():
            assert state.moments[name].shape == (2, layer.down.numel() + layer.up.numel())
        last = [state.moments[name][0, : 4 * 128].view(4, 128) for name in sorted(lora) if name.endswith("down_proj")]
        assert any(torch.equal(moments, states[checkpoint.step][4, 128]) for moments in last)


def test_the_layers_scale_is_alpha_over_rank(watched):
    layers = read_lora(watched[0][-1].path, "cpu")
    assert {layer.scale for layer in layers.values()} == {2.0}
    saved = load_file(watched[0][-1].path / "adapter_model.safetensors")
    name = "model.language_model.layers.1.self_attn.q_proj"
    assert torch.equal(layers[name].down, saved[f"base_model.model.{name}.lora_A.weight"])


def test_a_stopped_run_ends_with_the_bytes_of_an_undisturbed_one(base, watched, tmp_path):
    class StoppedError(Exception):
        pass

    def stop(progress):
        if progress.done == 8:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(base, tmp_path / "run", progress=stop)
    assert weights(train(base, tmp_path / "run")) == weights(watched[0])


def test_the_rows_are_a_seeded_share_whatever_their_order():
    ids = np.array([f"row {number:03}" for number in range(100)], dtype=object)
    settings = WarmupSettings(share=0.07)
    chosen = warmup_rows(ids, settings)
    assert len(chosen) == 7
    turned = warmup_rows(ids[::-1], settings)
    assert set(ids[chosen]) == set(ids[::-1][turned])
    assert set(chosen) != set(warmup_rows(ids, WarmupSettings(share=0.07, seed=1)))
    assert len(warmup_rows(ids[:3], settings)) == 1
