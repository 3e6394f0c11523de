"""Every family is fine-tuned whole and by adapters, resumed, asked, and loaded without us."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import save_file

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.training.run_directory import read_record
from xmas_assets.vlm.batches import collate
from xmas_assets.vlm.generation import generate
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.loading import EXTRA_FILE, load_vlm
from xmas_assets.vlm.probes import draw_probe
from xmas_assets.vlm.prompts import Encoded, Encoder, pad_token_id
from xmas_assets_tests.families import FAMILIES, others_slow, training
from xmas_assets_tests.families.training import KINDS, SAMPLES, train_family
from xmas_assets_tests.training.small import kill_at, stopping_at, weights

PROJECTOR = ("multi_modal_projector.",)
#: What of a family connects images with text, by the beginnings of its weights' names.
CONNECTORS = dict.fromkeys(FAMILIES, PROJECTOR) | {
    "llava_next": (*PROJECTOR, "image_newline"),
    "llava_onevision": (*PROJECTOR, "image_newline"),
    "qwen2_vl": ("visual.merger.",),
    "qwen2_5_vl": ("visual.merger.",),
    "qwen3_vl": ("visual.merger.", "visual.deepstack_merger_list.0."),
    "smolvlm": ("connector.",),
    "idefics3": ("connector.",),
    "glm4v": ("visual.merger.", "visual.downsample."),
    "ovis2": ("visual_embeddings_table.",),
    "qwen3_5": ("visual.merger.",),
    "gemma4": ("embed_vision.",),
}
TOWERS = ("vision_tower.", "vision_model.", "visual.")
#: These hold no weights of the model's: what training does not touch, it must leave as it is.
NOT_OF_THE_PROCESSOR = {"config.json", "generation_config.json", "model.safetensors"}
SEPARATE_TOWERS = ("llava", "paligemma", "paligemma2", "internvl", "gemma3")


class Trained(NamedTuple):
    """A family's base, and what an undisturbed run made of it."""

    family: str
    kind: str
    base: Path
    output: Path
    checkpoints: list[Checkpoint]

    def load(self) -> Any:
        return load_vlm(self.checkpoints[-1].path, BaseModelSettings(), base=self.base)


@pytest.fixture(scope="module", params=list(FAMILIES))
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return FAMILIES[request.param](tmp_path_factory.mktemp("base") / request.param)


@pytest.fixture(scope="module", params=others_slow(KINDS, {"lora"}))
def trained(request: pytest.FixtureRequest, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    output = tmp_path_factory.mktemp("trained")
    return Trained(base.name, request.param, base, output, train_family(base, output, request.param))


def prompts_of(vlm: Any) -> tuple[list[Encoded], Pictures]:
    """Four questions: on a wide image, a tall one, both, and none."""
    pictures = Pictures(vlm.processor, draw_probe)
    encoder = Encoder.of(vlm, pictures, max_tokens=2048)
    asked = [question.prompt for question in encoder.ask(SAMPLES[:4]) if question.turn == 1]
    assert [len(prompt.images) for prompt in asked] == [1, 1, 2, 0]
    return asked, pictures


def test_the_loss_falls(trained: Trained):
    losses = read_record(trained.output).losses
    assert len(losses) == 9
    assert sum(losses[6:]) < 0.97 * sum(losses[:3])


def test_the_connector_is_trained_wherever_it_is_and_the_tower_is_not(trained: Trained):
    before = load_vlm(trained.base, BaseModelSettings()).model.base_model.state_dict()
    after = trained.load().model.base_model.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    connector = {name for name in before if name.startswith(CONNECTORS[trained.family])}
    assert all(any(name.startswith(part) for name in connector) for part in CONNECTORS[trained.family])
    assert connector <= moved
    assert not {name for name in moved - connector if name.startswith(TOWERS)}
    matrices = {name for name, values in before.items() if ".layers." in name and values.ndim == 2}
    layers = {name for name in matrices - connector if not name.startswith(TOWERS)}
    assert layers <= moved
    if trained.kind == "lora":
        assert moved == connector | layers


def test_a_run_that_is_broken_off_ends_with_the_same_bytes(trained: Trained, tmp_path: Path):
    # After step 6 the last state is of step 4, in the middle of an epoch.
    with pytest.raises(KeyboardInterrupt):
        train_family(trained.base, tmp_path, trained.kind, progress=stopping_at(6))
    done = []
    resumed = train_family(trained.base, tmp_path, trained.kind, progress=lambda progress: done.append(progress.done))
    assert done == [5, 6, 7, 8, 9]
    assert weights(resumed) == weights(trained.checkpoints)


def test_kept_features_of_a_tower_that_is_separate_give_the_same_bytes(trained: Trained, tmp_path: Path):
    is_separate = trained.family in SEPARATE_TOWERS
    runs = ("first", "second") if is_separate else ("only",)
    for name in runs:
        again = train_family(trained.base, tmp_path / name, trained.kind, feature_folder=tmp_path / "features")
        assert weights(again) == weights(trained.checkpoints)
    n_images = 3 * sum(len(sample.images) for sample in SAMPLES)
    assert read_record(tmp_path / runs[-1]).n_features_read == (n_images if is_separate else 0)


@pytest.mark.slow
def test_layers_run_again_for_their_gradients_give_the_same_bytes(trained: Trained, tmp_path: Path):
    again = train_family(trained.base, tmp_path, trained.kind, changes={"gradient_checkpointing": True})
    assert weights(again) == weights(trained.checkpoints)


@pytest.mark.slow
@pytest.mark.parametrize(("family", "kind"), [("llava_next", "lora"), ("qwen3_vl", "full")])
def test_a_run_that_is_killed_ends_with_the_same_bytes(family: str, kind: str, tmp_path: Path):
    base = FAMILIES[family](tmp_path / family)
    kill_at(7, training.__name__, kind, base, tmp_path / "killed")
    assert not (tmp_path / "killed" / "done.json").exists()
    resumed = train_family(base, tmp_path / "killed", kind)
    assert weights(resumed) == weights(train_family(base, tmp_path / "whole", kind))


def test_answers_are_the_same_in_a_batch_and_alone(trained: Trained):
    vlm = trained.load()
    prompts, pictures = prompts_of(vlm)
    # Nothing ends an answer, so that there is something to compare.
    options = {"stop_ids": [], "max_new_tokens": 8}
    together = generate(vlm, prompts, pictures, **options)
    assert together == [generate(vlm, [prompt], pictures, **options)[0] for prompt in prompts]
    # A model that was trained whole may have learned to end at once.
    assert trained.kind == "full" or any(said.text for said in together)


def test_what_was_saved_says_the_same_without_us(trained: Trained, plainly, tmp_path: Path):
    vlm = trained.load()
    prompts, pictures = prompts_of(vlm)
    batch = collate(prompts, pictures, pad_id=pad_token_id(vlm.processor.tokenizer), padding_side="left")
    del batch["labels"]
    save_file(batch, tmp_path / "inputs.safetensors")
    saved = trained.checkpoints[-1].path
    is_adapter, extra = trained.kind == "lora", saved / EXTRA_FILE
    said = plainly(
        whole=str(trained.base if is_adapter else saved),
        adapter=str(saved) if is_adapter else None,
        # What peft cannot hold lies next to the adapter, under the names of the base's weights.
        extra=str(extra) if extra.is_file() else None,
        inputs=str(tmp_path / "inputs.safetensors"),
    )
    with torch.inference_mode():
        logits = vlm.model(**batch).logits[:, -1]
        ids = vlm.model.generate(**batch, max_new_tokens=8, do_sample=False)
    torch.testing.assert_close(torch.tensor(said["logits"]), logits, rtol=1e-4, atol=1e-4)
    assert said["ids"] == ids.tolist()


def test_a_saved_model_has_the_processor_of_its_base(trained: Trained):
    files = {path.name: path.read_bytes() for path in trained.base.iterdir()}
    saved = {path.name: path.read_bytes() for path in trained.checkpoints[-1].path.iterdir()}
    own = {name: content for name, content in files.items() if name not in NOT_OF_THE_PROCESSOR}
    assert {"tokenizer.json", "preprocessor_config.json"} <= own.keys()
    if trained.kind == "full":
        assert {name: content for name, content in saved.items() if name not in NOT_OF_THE_PROCESSOR} == own
    else:
        assert not own.keys() & saved.keys()
