"""Gradients of a batch against autograd on the adapter as peft runs it, one sample at a time."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from peft import PeftModel
from torch import nn

from xmas_assets.contracts.settings import BaseModelSettings, LoraSettings, WarmupSettings
from xmas_assets.extraction.projection import Projection
from xmas_assets.extraction.sample_gradients import GradientReader
from xmas_assets.training.warmup import warm_up
from xmas_assets.vlm.adapters import read_adam_state, read_lora
from xmas_assets.vlm.batches import collate
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.loading import load_vlm
from xmas_assets.vlm.prompts import Encoder, pad_token_id
from xmas_assets_tests.toy.untrained import build_untrained
from xmas_assets_tests.training.small import draw, make_samples

SETTINGS = WarmupSettings(
    lora=LoraSettings(rank=4, alpha=12, dropout=0.2), epochs=2, batch_size=4, micro_batch_size=4, n_checkpoints=1
)


class Unprojected(Projection):
    """Stands in for a projection: keeps each layer's gradients as they come."""

    def __init__(self) -> None:
        super().__init__(1, seed=0)
        self.parts: dict[str, torch.Tensor] = {}

    def project(self, part: str, values: torch.Tensor) -> torch.Tensor:
        assert part not in self.parts
        self.parts[part] = values
        return values[:, :1]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    base = build_untrained(tmp_path_factory.mktemp("base"))
    (checkpoint,) = warm_up(
        base=base,
        base_settings=BaseModelSettings(),
        samples=make_samples(),
        open_image=draw,
        settings=SETTINGS,
        output=tmp_path_factory.mktemp("run"),
    )
    vlm = load_vlm(checkpoint.path, BaseModelSettings(), base=base)
    pictures = Pictures(vlm.processor, draw)
    rows, _ = Encoder.of(vlm, pictures, max_tokens=2048).encode(make_samples())
    pad_id = pad_token_id(vlm.processor.tokenizer)
    return base, checkpoint.path, vlm, lambda part: collate(part, pictures, pad_id=pad_id, padding_side="right"), rows


@pytest.fixture(scope="module")
def by_autograd(world) -> list[dict[str, torch.Tensor]]:
    """Each sample's gradients by layer, A then B, from the unmerged adapter in evaluation mode."""
    base, path, _, make_inputs, rows = world
    model = PeftModel.from_pretrained(load_vlm(base, BaseModelSettings()).model, path, is_trainable=True).eval()
    weights: dict[str, Any] = dict(model.named_parameters())
    found = []
    for row in rows:
        model.zero_grad()
        inputs = make_inputs([row])
        labels = inputs.pop("labels")
        logits = model(**inputs).logits[:, :-1]
        nn.functional.cross_entropy(logits[0], labels[0, 1:]).backward()
        found.append({})
        for name in read_lora(path, "cpu"):
            parts = [weights[f"base_model.model.{name}.lora_{part}.default.weight"].grad for part in "AB"]
            found[-1][name] = torch.cat([part.flatten() for part in parts])
    return found


def read(world, part, *, adam=False):
    _, path, vlm, make_inputs, _ = world
    unprojected = Unprojected()
    state = read_adam_state(path, "cpu") if adam else None
    result = GradientReader(vlm, read_lora(path, "cpu"), unprojected, adam=state).read(make_inputs(part))
    return result, unprojected.parts


@pytest.mark.parametrize("batch_size", [1, 7, 22])
def test_the_gradients_of_a_batch_are_those_of_its_samples_one_by_one(world, by_autograd, batch_size):
    """Samples with and without a picture, of one and two turns, of different lengths."""
    rows = world[-1]
    for start in range(0, len(rows), batch_size):
        result, parts = read(world, rows[start : start + batch_size])
        for place, expected in enumerate(by_autograd[start : start + batch_size]):
            assert parts.keys() == expected.keys()
            whole, found = torch.cat(list(expected.values())), torch.cat([parts[name][place] for name in expected])
            assert (whole - found).norm() < 1e-4 * whole.norm()
            assert result.norms[place].item() == pytest.approx(whole.norm().item(), rel=1e-4)


def test_the_gradients_are_not_near_zero_in_any_layer(by_autograd):
    """Else the comparison above would compare nothing."""
    for expected in by_autograd:
        assert len(expected) == 3 * 7
        assert min(part.norm().item() for part in expected.values()) > 1e-5


def test_adams_direction_is_what_torch_would_step_next(world, by_autograd):
    """A torch AdamW with the saved state moves the weights of one layer by minus the rate times the direction."""
    _, path, _, _, rows = world
    state = read_adam_state(path, "cpu")
    result, parts = read(world, rows[:5], adam=True)
    name = sorted(parts)[3]
    for place in range(5):
        gradient = by_autograd[place][name]
        weights = torch.zeros_like(gradient, requires_grad=True)
        optimizer = torch.optim.AdamW([weights], lr=1.0, weight_decay=0.0)
        first, second = state.moments[name]
        optimizer.state[weights] = {
            "step": torch.tensor(float(state.step)), "exp_avg": first.clone(), "exp_avg_sq": second.clone()
        }  # fmt: skip
        weights.grad = gradient
        optimizer.step()
        torch.testing.assert_close(parts[name][place], -weights.detach(), rtol=1e-3, atol=1e-4)
    plain, _ = read(world, rows[:5])
    assert torch.equal(plain.norms, result.norms)  # norms are of the plain gradient


def test_nothing_is_left_in_the_model(world):
    vlm, rows = world[2], world[-1]
    before = sum(len(module._forward_hooks) for module in vlm.model.modules())
    read(world, rows[:3])
    assert all(weight.grad is None for weight in vlm.model.parameters())
    assert sum(len(module._forward_hooks) for module in vlm.model.modules()) == before


def test_weights_of_answers_are_those_of_a_weighted_mean_by_hand(world):
    """Of two turns of weight 3 and 0.5, beside a row without weights and one whose first turn is context."""
    base, path, vlm, make_inputs, _ = world
    chosen = [(make_samples()[0], (3.0, 0.5)), (make_samples()[5], ()), (make_samples()[10], (0.0, 1.0))]
    samples = [replace(sample, loss_weights=weights) for sample, weights in chosen]
    rows, _ = Encoder.of(vlm, Pictures(vlm.processor, draw), max_tokens=2048).encode(samples)
    result, parts = read(world, rows)
    model = PeftModel.from_pretrained(load_vlm(base, BaseModelSettings()).model, path, is_trainable=True).eval()
    plain, _ = Encoder.of(vlm, Pictures(vlm.processor, draw), max_tokens=2048).encode([s for s, _ in chosen])
    for place, (row, (_, weights)) in enumerate(zip(plain, chosen, strict=True)):
        model.zero_grad()
        inputs = make_inputs([row])
        labels = inputs.pop("labels")[0, 1:]
        losses = nn.functional.cross_entropy(model(**inputs).logits[0, :-1], labels, reduction="none")
        turns = (labels != -100).int().diff(prepend=torch.tensor([0])).eq(1).cumsum(0)  # 1 in the first answer, then 2
        of_turn = torch.tensor([0.0, *(weights or (1.0, 1.0))])
        counts = of_turn[turns] * (labels != -100)
        ((losses * counts).sum() / counts.sum()).backward()
        found = dict(model.named_parameters())
        expected = torch.cat(
            [
                torch.cat(
                    [found[f"base_model.model.{name}.lora_{part}.default.weight"].grad.flatten() for part in "AB"]
                )
                for name in parts
            ]
        )
        own = torch.cat([parts[name][place] for name in parts])
        assert (own - expected).norm() < 1e-4 * expected.norm()
        assert result.norms[place].item() == pytest.approx(expected.norm().item(), rel=1e-4)
