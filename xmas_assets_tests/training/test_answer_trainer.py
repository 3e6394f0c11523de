import threading
import warnings

import pytest
import torch
from PIL import Image
from transformers import LlavaForConditionalGeneration
from transformers.models.llama.modeling_llama import LlamaMLP
from transformers.training_args import ParallelMode

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.errors import ImageError, ModelError
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.training import answer_trainer
from xmas_assets.training.arguments import OneDevice
from xmas_assets.training.run_directory import read_record
from xmas_assets.vlm.loading import load_vlm
from xmas_assets_tests.training.small import COLOURS, LORA, draw, settings, train, weights


def test_images_are_opened_in_a_thread_in_the_same_order_and_to_the_same_bytes(base, tmp_path, monkeypatch):
    opened: dict[str, list[str]] = {"thread": [], "plain": []}

    def run(name: str) -> list[Checkpoint]:
        def open_image(colour: str, content_hash: str) -> Image.Image:
            assert (threading.current_thread() is threading.main_thread()) == (name == "plain")
            opened[name].append(colour)
            return draw(colour)

        return train(base, tmp_path / name, open_image=open_image)

    in_a_thread = run("thread")
    monkeypatch.setattr(answer_trainer, "ahead", lambda make, items: (make(item) for item in items))
    assert weights(in_a_thread) == weights(run("plain"))
    assert opened["thread"] == opened["plain"]
    assert sorted(opened["plain"]) == sorted(COLOURS)


def test_a_picture_that_cannot_be_opened_stops_the_run_and_its_thread(base, tmp_path):
    def open_image(colour: str, content_hash: str) -> Image.Image:
        if colour == "white":
            raise ImageError(colour, "it is gone")
        return draw(colour)

    before = threading.enumerate()
    with pytest.raises(ImageError, match="it is gone"):
        train(base, tmp_path, open_image=open_image)
    assert threading.enumerate() == before


def test_a_run_uses_one_of_several_gpus(tmp_path):
    arguments = OneDevice(output_dir=str(tmp_path), per_device_train_batch_size=3, use_cpu=True)
    arguments._n_gpu = 8  # as transformers finds them
    assert (arguments.n_gpu, arguments.train_batch_size) == (1, 3)
    assert arguments.parallel_mode == ParallelMode.NOT_PARALLEL
    arguments._n_gpu = 0
    assert arguments.n_gpu == 0


@pytest.mark.parametrize("lora", [None, LORA])
def test_layers_run_again_for_their_gradients_give_the_same_bytes(base, tmp_path, monkeypatch, lora):
    n_runs = 0
    plain = LlamaMLP.forward

    def forward(block: LlamaMLP, states: torch.Tensor) -> torch.Tensor:
        nonlocal n_runs
        n_runs += 1
        return plain(block, states)

    monkeypatch.setattr(LlamaMLP, "forward", forward)
    kept = train(base, tmp_path / "kept", settings=settings(lora=lora))
    n_kept, n_runs = n_runs, 0
    again = train(base, tmp_path / "again", settings=settings(lora=lora, gradient_checkpointing=True))
    assert weights(again) == weights(kept)
    assert n_runs == 2 * n_kept


def test_a_model_that_cannot_run_its_layers_again_is_refused(base, tmp_path, monkeypatch):
    monkeypatch.setattr(LlavaForConditionalGeneration, "supports_gradient_checkpointing", False)
    with pytest.raises(ModelError, match="^llava cannot recompute its layers; set gradient_checkpointing to false$"):
        train(base, tmp_path, settings=settings(gradient_checkpointing=True))


def test_another_attention_is_another_run_with_nearly_the_same_loss(base, tmp_path):
    losses, runs = [], set()
    for attention in ("eager", "sdpa"):
        chosen = BaseModelSettings(attention=attention)
        train(base, tmp_path / attention, base_settings=chosen, settings=settings(epochs=0.4, n_checkpoints=1))
        record = read_record(tmp_path / attention)
        losses.append(record.losses)
        runs.add(record.run)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert len(runs) == 2


def test_adapters_are_trained_and_loaded_without_warnings_that_a_user_cannot_act_on(base, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        (checkpoint,) = train(base, tmp_path, settings=settings(lora=LORA, epochs=0.2, n_checkpoints=1))
        load_vlm(checkpoint.path, BaseModelSettings(), base=base)
