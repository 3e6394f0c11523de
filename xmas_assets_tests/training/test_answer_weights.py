"""Training on answers of different weights, against autograd on the model as transformers runs it."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.training.adapters import answer_loss
from xmas_assets.training.run_directory import read_record
from xmas_assets.training.score_net import row_losses
from xmas_assets.vlm.batches import collate
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.loading import Vlm, load_vlm
from xmas_assets.vlm.prompts import Encoded, Encoder, pad_token_id
from xmas_assets_tests.training.small import draw, make_samples, settings, train, weights

OF_TWO = {"sample-000": (0.0, 1.0), "sample-005": (2.0, 0.5), "sample-010": (3.0, 0.0), "sample-015": (0.25, 0.25)}


def weighted(scale: float = 1.0) -> list[Sample]:
    """The samples, those of two turns with weights but one, those of one turn if their number is a multiple of 3."""
    given = {f"sample-{number:03}": (1.5,) for number in range(0, 22, 3)} | OF_TWO
    samples = []
    for sample in make_samples():
        n_answers = sum(turn.role == "assistant" for turn in sample.turns)
        chosen = given.get(sample.sample_id, (1.0,) * n_answers)
        samples.append(replace(sample, loss_weights=tuple(scale * weight for weight in chosen)))
    return samples


@pytest.fixture(scope="module")
def vlm(base) -> Vlm:
    return load_vlm(base, BaseModelSettings())


def encoded(vlm: Vlm, samples: list[Sample]) -> list[Encoded]:
    rows, left_out = Encoder.of(vlm, Pictures(vlm.processor, draw), max_tokens=2048).encode(samples)
    assert not left_out
    return rows


def batch_of(vlm: Vlm, rows: list[Encoded]) -> dict[str, torch.Tensor]:
    pad_id = pad_token_id(vlm.processor.tokenizer)
    return collate(rows, Pictures(vlm.processor, draw), pad_id=pad_id, padding_side="right")


def by_hand(vlm: Vlm, sample: Sample) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum over a row's answer tokens of weight times loss, and of the weights, from the whole model's logits."""
    (plain,) = encoded(vlm, [replace(sample, loss_weights=())])
    inputs = batch_of(vlm, [plain])
    labels = inputs.pop("labels")[0, 1:]
    logits = vlm.model(**inputs).logits[0, :-1].float()
    losses = nn.functional.cross_entropy(logits, labels, reduction="none")
    starts = (labels != -100).int().diff(prepend=torch.tensor([0])).eq(1).cumsum(0)
    counts = torch.tensor([0.0, *(sample.loss_weights or (1.0, 1.0))])[starts] * (labels != -100)
    return (losses * counts).sum(), counts.sum()


def gradients(vlm: Vlm, loss: torch.Tensor) -> torch.Tensor:
    parameters = [weight for weight in vlm.model.parameters() if weight.requires_grad]
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return torch.cat([gradient.flatten() for gradient in found if gradient is not None])


def test_a_batch_has_the_loss_and_gradient_of_the_weighted_mean_by_hand(vlm):
    samples = [sample for sample in weighted() if sample.sample_id in OF_TWO or sample.sample_id == "sample-001"]
    sums, counts = zip(*(by_hand(vlm, sample) for sample in samples), strict=True)
    n_tokens = torch.stack(counts).sum()
    expected = torch.stack(sums).sum() / n_tokens
    batch = batch_of(vlm, encoded(vlm, samples))
    loss = answer_loss(vlm.model, batch, n_tokens)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    own, by_autograd = gradients(vlm, loss), gradients(vlm, expected)
    assert (own - by_autograd).norm() < 1e-4 * by_autograd.norm()
    plain = answer_loss(vlm.model, batch_of(vlm, encoded(vlm, [replace(s, loss_weights=()) for s in samples])), 1)
    assert loss.item() != pytest.approx(plain.item() / n_tokens.item(), rel=1e-3)


def test_a_turn_of_weight_w_adds_w_times_its_own_gradient(vlm):
    """With the normaliser held at 1, the gradient is linear in the weights of the turns."""
    sample = make_samples()[5]

    def gradient(*given: float) -> torch.Tensor:
        return gradients(
            vlm, answer_loss(vlm.model, batch_of(vlm, encoded(vlm, [replace(sample, loss_weights=given)])), 1)
        )

    first, second, both = gradient(1.0, 0.0), gradient(0.0, 1.0), gradient(3.0, 0.5)
    assert first.norm() > 0.1
    assert (both - (3 * first + 0.5 * second)).norm() < 1e-4 * both.norm()


def test_a_row_whose_turn_weighs_zero_has_the_loss_of_the_row_whose_turn_is_context(vlm):
    sample = make_samples()[5]
    (plain,) = encoded(vlm, [sample])
    context = plain.is_answer.copy()
    context[: len(context) - 2] = False  # of the two answers, the last with its end: "no" and </s>
    (flagged,) = encoded(vlm, [replace(sample, loss_weights=(0.0, 1.0))])
    losses = [answer_loss(vlm.model, batch_of(vlm, [row]), 2) for row in (flagged, replace(plain, is_answer=context))]
    assert losses[0].item() == losses[1].item()
    assert torch.equal(*(gradients(vlm, loss) for loss in losses))


def test_the_mean_of_a_row_counts_its_tokens_by_weight(vlm):
    samples = [sample for sample in weighted() if sample.sample_id in OF_TWO]
    with torch.no_grad():
        expected = [(total / count).item() for total, count in (by_hand(vlm, sample) for sample in samples)]
        found = row_losses(vlm.model, batch_of(vlm, encoded(vlm, samples)))
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


def one_step(base, output, samples) -> float:
    """Loss of one optimiser step over all rows, in eleven forward passes."""
    chosen = settings(epochs=1.0, batch_size=22, micro_batch_size=2, n_checkpoints=1)
    train(base, output, samples=samples, settings=chosen)
    (loss,) = read_record(output).losses
    return loss


def test_a_step_of_several_passes_lowers_the_weighted_mean_over_all_its_rows(base, vlm, tmp_path):
    with torch.no_grad():
        sums, counts = zip(*(by_hand(vlm, sample) for sample in weighted()), strict=True)
    assert one_step(base, tmp_path, weighted()) == pytest.approx(
        (torch.stack(sums).sum() / torch.stack(counts).sum()).item(), rel=1e-5
    )


def test_twice_the_weight_for_every_answer_changes_nothing(base, tmp_path):
    losses = [one_step(base, tmp_path / str(scale), weighted(scale)) for scale in (1.0, 2.0)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_one_answer_that_is_context_makes_another_run_with_other_weights(base, tmp_path):
    chosen = settings(epochs=0.4, n_checkpoints=1)
    plain = train(base, tmp_path / "plain", settings=chosen)
    flagged = [replace(s, loss_weights=(0.0, 1.0)) if s.sample_id == "sample-005" else s for s in make_samples()]
    other = train(base, tmp_path / "other", settings=chosen, samples=flagged)
    assert read_record(tmp_path / "plain").run != read_record(tmp_path / "other").run
    assert weights(plain) != weights(other)
