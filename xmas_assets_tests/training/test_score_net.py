"""The score net: its loss and its first step by hand, what it learns, and that it resumes and repeats."""

import tracemalloc

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers.models.llama.modeling_llama import LlamaMLP

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.settings import BaseModelSettings, DifficultySettings
from xmas_assets.training import score_net
from xmas_assets.training.score_net import ScoreNet, row_losses, score_difficulty, score_features
from xmas_assets.vlm.batches import collate
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.loading import load_vlm
from xmas_assets.vlm.prompts import Encoder
from xmas_assets_tests.training.small import LORA, draw, make_samples

IDS = ["a", "b", "c"]
FEATURES = np.array([[1, 0], [0, 1], [1, 1]], dtype=np.float32)


@pytest.fixture
def net(monkeypatch):
    """A net on a batch of three rows with losses 1, 2 and 6, of a step of six rows."""
    losses = torch.tensor([1.0, 2.0, 6.0])
    monkeypatch.setattr(score_net, "row_losses", lambda model, inputs: losses)
    return ScoreNet(IDS, FEATURES, batch_size=6)


def loss_of(net):
    return net(object(), {"rows_of_features": torch.from_numpy(FEATURES)}, 1)


def test_equal_weights_give_the_mean_and_the_batchs_share_of_its_step(net):
    """Zero weights: (1 + 2 + 6) / 3 = 3, for 3 of the step's 6 rows half of it."""
    assert loss_of(net).item() == pytest.approx(1.5)


def test_weights_are_a_softmax_over_the_batch(net):
    """Weights (ln 2, 0) score the rows ln 2, 0, ln 2: softmax 2/5, 1/5, 2/5; loss (2 + 2 + 12) / 5 = 3.2, halved."""
    net.linear.weight.data = torch.tensor([[np.log(2), 0.0]], dtype=torch.float32)
    assert loss_of(net).item() == pytest.approx(1.6)


def test_a_step_down_takes_weight_from_the_rows_of_large_loss(net):
    """d loss / d score_i = w_i (l_i - mean) / 2 = (-1/3, -1/6, 1/2); with the features, (1/6, 1/3) on the two weights.

    A step of 6 down gives (-1, -2), so scores -1, -2, -3: the row of loss 6 is the hardest.
    """
    (gradient,) = torch.autograd.grad(loss_of(net), net.linear.weight)
    assert gradient.tolist() == [[pytest.approx(1 / 6), pytest.approx(1 / 3)]]


def test_a_row_alone_in_its_batch_has_its_whole_loss_and_teaches_the_net_nothing(monkeypatch):
    monkeypatch.setattr(score_net, "row_losses", lambda model, inputs: torch.tensor([5.0]))
    net = ScoreNet(IDS, FEATURES, batch_size=1)
    loss = net(object(), {"rows_of_features": torch.from_numpy(FEATURES[:1])}, 1)
    (gradient,) = torch.autograd.grad(loss, net.linear.weight)
    assert loss.item() == 5
    assert gradient.tolist() == [[0, 0]]


def test_a_rows_loss_is_the_mean_over_its_own_answer(base):
    """Against each row alone, by the model's own loss."""
    vlm = load_vlm(base, BaseModelSettings())
    pictures = Pictures(vlm.processor, draw)
    rows, _ = Encoder.of(vlm, pictures, max_tokens=2048).encode(make_samples()[:5])

    def batch(part):
        return collate(part, pictures, pad_id=0, padding_side="right")

    with torch.no_grad():
        found = row_losses(vlm.model, batch(rows))
        alone = [vlm.model(**batch([row])).loss.item() for row in rows]
    assert found.tolist() == pytest.approx(alone, rel=1e-4)


def test_features_without_an_image_are_zero_there():
    image = np.array([[0.6, 0.8], [np.nan, np.nan]], dtype=np.float32)
    text = np.array([[1, 0], [0, 1]], dtype=np.float32)
    assert score_features(image, text).tolist() == [[pytest.approx(0.6), pytest.approx(0.8), 1, 0], [0, 0, 0, 1]]
    with pytest.raises(ModelError, match="not finite"):
        ScoreNet(["a"], np.array([[np.inf]]), batch_size=2)


def test_all_rows_are_scored_in_little_memory_and_in_float64():
    """1e8 + 1 - 1e8 is 1 in float64, and 0 or 8 in float32. The features are 8 MB, in float64 16 MB."""
    features = np.zeros((2000, 1000), dtype=np.float32)
    features[:, :3] = [1e8, 1, -1e8]
    tracemalloc.start()
    try:
        scores = score_net._scores(features, np.ones(1000, dtype=np.float32))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (scores.dtype, scores.tolist()) == (np.float32, [1.0] * 2000)
    assert peak < 1e6


def features(samples):
    """One-hot: is the picture red, is there a picture, and a constant."""
    return np.array([[("red" in s.images), bool(s.images), 1] for s in samples], dtype=np.float32)


def score(base, output, samples=None, *, scale=1, progress=None, **changes):
    settings = {"batch_size": 4, "micro_batch_size": 4, "learning_rate": 1e-2, "threads": 1, "resume_steps": 2}
    samples = make_samples() if samples is None else samples
    return score_difficulty(
        base=base,
        base_settings=BaseModelSettings(),
        samples=samples,
        open_image=draw,
        features=features(samples) * scale,
        settings=DifficultySettings(**settings | changes),
        output=output,
        progress=progress,
    )


def test_difficulty_is_the_same_in_any_order_of_the_rows_and_in_a_second_run(base, tmp_path):
    samples = make_samples()
    straight = score(base, tmp_path / "a", samples)
    assert score(base, tmp_path / "b", samples[::-1])[::-1].tobytes() == straight.tobytes()
    assert score(base, tmp_path / "a", samples).tobytes() == straight.tobytes()
    assert len(set(straight.tolist())) == 3  # as many as there are different features


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(base, tmp_path):
    def stop(progress):
        if progress.done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(base, tmp_path / "stopped", lora=LORA, progress=stop)
    stopped, whole = (score(base, tmp_path / name, lora=LORA) for name in ("stopped", "whole"))
    assert stopped.tobytes() == whole.tobytes()
    assert whole.any()


def test_rows_that_memory_does_not_hold_together_are_refused_with_the_setting_to_lower(base, tmp_path, monkeypatch):
    """They are not read in halves: their weights are a softmax over all of them."""

    def fail(*_):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(LlamaMLP, "forward", fail)
    with pytest.raises(ModelError, match=r"does not hold this work \(CUDA out of memory.*lower .*micro_batch_size"):
        score(base, tmp_path)


def test_other_features_are_another_run_and_the_saved_model_is_without_the_net(base, tmp_path):
    score(base, tmp_path)
    (checkpoint,) = tmp_path.glob("checkpoint-*")
    assert not [name for name in load_file(checkpoint / "model.safetensors") if "objective" in name]
    assert load_vlm(checkpoint, BaseModelSettings()).directory == checkpoint
    with pytest.raises(ModelError, match="holds a run on other rows"):
        score(base, tmp_path, scale=2)
