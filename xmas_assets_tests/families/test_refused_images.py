"""Images that a family's processor refuses: their rows are left out, with a reason, and nothing stops."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.samples import Reason, Sample
from xmas_assets.contracts.settings import (
    BaseModelSettings,
    BenchmarkSettings,
    ClipSettings,
    LoraSettings,
    TrainingSettings,
)
from xmas_assets.contracts.signal_settings import GradientSettings, TrajectorySettings
from xmas_assets.evaluation.runner import coverage
from xmas_assets.extraction.answer_scores import AnswerScores
from xmas_assets.extraction.embeddings import embed_dataset
from xmas_assets.extraction.extracted import Extracted
from xmas_assets.extraction.extracting import extract_signals
from xmas_assets.extraction.gradients import Gradients, extract_gradients
from xmas_assets.training.run_directory import read_record
from xmas_assets.training.trainer import fine_tune
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.image_preparer import preparer_of
from xmas_assets.vlm.loading import load_processor, load_vlm
from xmas_assets.vlm.prompts import Encoder
from xmas_assets_tests.evaluation.asking import answer_questions
from xmas_assets_tests.extraction.worlds import values_of
from xmas_assets_tests.families import FAMILIES
from xmas_assets_tests.families.worlds import conversation

#: Families, and the width and height of what their tiny processors refuse: too narrow for their grid of patches.
REFUSED = {
    "qwen2_vl": [(3000, 4), (4, 3000), (1, 500)],
    "qwen2_5_vl": [(3000, 4), (1000, 1)],
    "qwen3_vl": [(3000, 4), (1, 500)],
    "glm4v": [(3000, 4), (4, 3000)],
    "mistral3": [(3000, 4), (4, 400), (10_000, 101)],
    "pixtral": [(400, 4), (1, 3000)],
}
#: Of others: none.
TAKES_ALL = ["llava", "llava_next", "llava_onevision", "smolvlm", "idefics3", "paligemma", "internvl", "gemma3"]
ODD = [(1, 1), (3000, 4), (4, 3000), (1, 500)]


def draw(reference: str, _content_hash: str = "") -> Image.Image:
    """The picture of a size as it is written: '40x30'."""
    width, height = map(int, reference.split("x"))
    return Image.linear_gradient("L").resize((width, height)).convert("RGB")


def name_of(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def samples_on(sizes: list[tuple[int, int]]) -> list[Sample]:
    """Between rows on ordinary pictures, one on each size, one on the first with another picture, and one of text."""
    rows = [conversation("plain", ["40x30"], "<image>What is it?", "a road")]
    rows += [conversation(name_of(size), [name_of(size)], "<image>What is it?", "a road") for size in sizes]
    both = ["40x30", name_of(sizes[0])]
    rows.append(conversation("both", both, "<image><image>Are they alike?", "no"))
    rows.append(conversation("text", [], "What is it?", "a red square"))
    rows.append(conversation("tall", ["30x64"], "<image>What is it?", "a tree"))
    return rows


def encoder_of(processor: Any, **options: Any) -> Encoder:
    token = processor.tokenizer.convert_tokens_to_ids(processor.image_token)
    return Encoder(processor, Pictures(processor, draw, **options), image_token_id=token, max_tokens=1 << 16)


@pytest.mark.parametrize("limit_bytes", [1 << 30, 0])
@pytest.mark.parametrize("family", REFUSED)
def test_a_row_on_an_image_that_the_processor_refuses_is_left_out(family: str, tmp_path: Path, limit_bytes: int):
    sizes = REFUSED[family]
    encoder = encoder_of(load_processor(FAMILIES[family](tmp_path)), limit_bytes=limit_bytes)
    for _ in range(2):
        rows, left_out = encoder.encode(samples_on(sizes))
        assert [row.sample_id for row in rows] == ["plain", "text", "tall"]
        assert left_out == dict.fromkeys([*map(name_of, sizes), "both"], Reason.IMAGE_REFUSED)
    questions = encoder.ask(samples_on(sizes))
    assert [q.sample.sample_id for q in questions if q.prompt is not None] == ["plain", "text", "tall"]


@pytest.mark.parametrize("family", TAKES_ALL)
def test_what_other_families_take_is_encoded(family: str, tmp_path: Path):
    rows, left_out = encoder_of(load_processor(FAMILIES[family](tmp_path))).encode(samples_on(ODD))
    assert len(rows) == len(samples_on(ODD)) and not left_out


def test_a_question_before_a_refused_image_is_asked(qwen: Path):
    talk = conversation("talk", ["40x30", "3000x4"], "<image>What is it?", "a road", "<image>And this?", "a line")
    first, second = encoder_of(load_processor(qwen)).ask([talk])
    assert first.prompt is not None and second.prompt is None


@pytest.mark.parametrize("kind", [ValueError, TypeError, ZeroDivisionError, RuntimeError, AssertionError, KeyError])
def test_whatever_a_processor_raises_for_one_image_is_that_rows_fault(
    kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """LLaVA's gives each image as many tokens, so no image would be opened; one that refuses some is noticed first."""
    processor = load_processor(FAMILIES["llava"](tmp_path))
    refuse(processor, kind, monkeypatch, when=lambda size: max(size) > 20 * min(size))
    rows, left_out = encoder_of(processor).encode(samples_on([(100, 4), (60, 4)]))
    assert [row.sample_id for row in rows] == ["plain", "60x4", "text", "tall"]
    assert left_out == dict.fromkeys(["100x4", "both"], Reason.IMAGE_REFUSED)


def test_what_a_processor_raises_for_every_image_is_the_models_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    processor = load_processor(FAMILIES["llava"](tmp_path))
    refuse(processor, ZeroDivisionError, monkeypatch, when=lambda _: True)
    with pytest.raises(ModelError, match=r"refuses 96 x 32 pixels .made up.; use another model"):
        Pictures(processor, draw)


def refuse(processor: Any, kind: type[Exception], monkeypatch: pytest.MonkeyPatch, *, when: Any) -> None:
    """Let the image half of a processor raise an error for some sizes."""
    resize = type(processor.image_processor).resize

    def choosy(self: Any, image: Any, *rest: Any, **options: Any) -> Any:
        if when(image.shape[-2:]):
            raise kind("made up")
        return resize(self, image, *rest, **options)

    monkeypatch.setattr(type(processor.image_processor), "resize", choosy)
    preparer_of.cache_clear()


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return FAMILIES["qwen2_vl"](tmp_path_factory.mktemp("qwen2_vl"))


SIZES = [(3000, 4), (4, 3000)]
LEFT_OUT = ["3000x4", "4x3000", "both"]
LACKING = "3 samples have no {}: the model's processor refuses an image of theirs: 3000x4, 4x3000, both"


def test_training_lists_the_rows_that_it_leaves_out(qwen: Path, tmp_path: Path):
    checkpoint = train(qwen, tmp_path)
    assert checkpoint.step == 1
    record = read_record(tmp_path)
    assert record.n_samples == 3
    assert record.left_out == dict.fromkeys(LEFT_OUT, "image_refused")


def test_signals_and_gradients_name_the_rows_that_they_lack_and_why(qwen: Path, tmp_path: Path):
    checkpoint, samples = train(qwen, tmp_path / "run"), samples_on(SIZES)
    common: dict[str, Any] = {
        "samples": samples,
        "open_image": draw,
        "checkpoints": [checkpoint],
        "base": qwen,
        "base_settings": BaseModelSettings(),
    }

    def read() -> tuple[Extracted, Gradients]:
        scores = extract_signals(
            signals=[AnswerScores()],
            settings=TrajectorySettings(shard_size=2),
            workspaces={"answer_scores": tmp_path / "scores"},
            **common,
        )["answer_scores"]
        settings, workspace = GradientSettings(n_projected=8, shard_size=2), tmp_path / "gradients"
        return scores, extract_gradients(settings=settings, direction="last_gradient", workspace=workspace, **common)

    read()
    scores, gradients = read()  # out of finished shards
    assert LACKING.format("signals") in scores.notices
    assert LACKING.format("gradient") in gradients.notices
    is_missing = [sample.sample_id in LEFT_OUT for sample in samples]
    for values in values_of(scores).values():
        assert np.isnan(values).tolist() == is_missing
    norms = np.concatenate([norms for _, norms, _ in gradients.blocks()])
    assert np.isnan(norms[:, 0]).tolist() == is_missing


def test_embeddings_are_of_the_other_rows(qwen: Path, tmp_path: Path):
    samples = samples_on(SIZES)
    table = embed_dataset(
        samples,
        open_image=draw,
        base=qwen,
        base_settings=BaseModelSettings(),
        settings=ClipSettings(batch_size=1),
        workspace=tmp_path,
    )
    scores = np.concatenate([batch["score"].to_numpy() for batch in table.batches()])
    assert [s.sample_id for s, score in zip(samples, scores, strict=True) if score == score] == ["plain", "tall"]
    assert table.notices == (LACKING.format("image vector"),)


def test_questions_on_such_an_image_are_not_asked_and_lower_coverage(qwen: Path):
    vlm = load_vlm(qwen, BaseModelSettings())
    samples = samples_on(SIZES)
    answers = answer_questions(vlm, samples, draw, BenchmarkSettings(max_new_tokens=2), max_tokens=4096)
    unasked = [answer.sample_id for answer in answers if answer.answer is None]
    assert unasked == LEFT_OUT
    assert all(answer.score is None for answer in answers if answer.answer is None)
    assert coverage(answers) == 0.5


def train(base: Path, output: Path) -> Checkpoint:
    settings = TrainingSettings(lora=LoraSettings(rank=2), n_steps=1, n_checkpoints=1, batch_size=3, micro_batch_size=3)
    (checkpoint,) = fine_tune(
        base=base,
        base_settings=BaseModelSettings(),
        samples=samples_on(SIZES),
        open_image=draw,
        settings=settings,
        seed=0,
        output=output,
    )
    return checkpoint
