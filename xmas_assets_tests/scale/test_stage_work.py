"""Units and operations of stages, worked by hand."""

from dataclasses import replace
from typing import Any

import pytest

from xmas_assets.contracts.calibration import DataSizes, ModelSizes
from xmas_assets.contracts.settings import LoraSettings, Settings, TrainingSettings
from xmas_assets.scale.stage_work import Job, answer, forward, stage_work, training_row

MODEL = ModelSizes(
    language_parameters=1000, vision_parameters=50, patches_per_token=4, n_layers=2, width=8, adapter_sides=30
)
ROW = DataSizes(tokens_per_row=10, image_tokens_per_row=5, tokens_per_answer=2)
LINEAR, ATTENTION, VISION = 2 * 1000 * 10, 2 * 2 * 8 * 10**2, 2 * 50 * 4 * 5


def job(n_rows: int = 100, **sections: Any) -> Job:
    return Job(Settings.model_validate(sections), n_rows, 7, ROW, MODEL, MODEL)


def test_a_forward_pass_counts_linear_layers_half_of_all_pairs_and_the_tower():
    assert (LINEAR, ATTENTION, VISION) == (20_000, 3_200, 2_000)
    assert forward(MODEL, ROW) == 25_200


def test_training_counts_what_each_way_has_to_compute():
    whole = TrainingSettings()
    adapters = TrainingSettings(lora=LoraSettings(rank=4))
    assert training_row(MODEL, ROW, whole) == 3 * 23_200 + 2_000
    assert training_row(MODEL, ROW, adapters) == 2 * 20_000 + 3 * 3_200 + 6 * 4 * 30 * 10 + 2_000
    again = training_row(MODEL, ROW, whole.model_copy(update={"gradient_checkpointing": True}))
    assert again == 4 * 23_200 + 2_000


def test_an_answer_is_read_and_written_in_one_length():
    assert answer(MODEL, ROW) == 2 * 1000 * 12 + 2 * 2 * 8 * 12**2 + 2_000
    assert answer(MODEL, ROW.model_copy(update={"tokens_per_answer": None})) is None


def test_operations_of_a_model_that_is_not_known_are_not_known():
    assert forward(None, ROW) is None
    assert stage_work("proxy_checkpoints", Job(Settings(), 100)).operations is None


@pytest.mark.parametrize(
    ("stage", "units"),
    [
        ("raw_dataset", 100),
        ("base_model", 1),
        ("proxy_checkpoints", 200),
        ("attention_trajectories", 700),
        ("features", 100),
        ("warmup_checkpoints", 20),
        ("adam_gradients", 400),
        ("gradients", 100),
        ("prepared:xmas", 100),
        ("target_model", 120),
        ("benchmark_scores", 7),
        ("tags", None),
    ],
)
def test_units_follow_rows_passes_and_checkpoints(stage, units):
    sections = {
        "proxy": {"epochs": 2, "n_checkpoints": 7},
        "warmup": {"share": 0.05, "epochs": 4, "n_checkpoints": 4},
        "target": {"epochs": 3},
    }
    assert stage_work(stage, job(**sections), n_selected=40).units == units


def test_steps_in_place_of_epochs_do_not_grow_with_the_rows():
    steps = {"target": {"n_steps": 5, "batch_size": 8, "micro_batch_size": 8}}
    assert {stage_work("target_model", job(100, **steps), n_selected=n).units for n in (10, 1000)} == {40}


def test_a_training_is_shared_by_as_many_cards_as_it_has_processes_and_shards_by_any_number():
    ranks = {"workers": {"training_ranks": 4}}
    assert stage_work("target_model", job(100, **ranks), n_selected=10).most_cards == 4
    assert stage_work("features", job(100, **ranks)).most_cards is None
    answered = {n: stage_work("benchmark_scores", replace(job(100), n_questions=n)).most_cards for n in (1, 1024, 1025)}
    assert answered == {1: 1, 1024: 1, 1025: 2}


@pytest.mark.parametrize("stage", ["attention_trajectories", "features", "gradients", "proxy_checkpoints"])
def test_twice_the_rows_are_twice_the_work(stage):
    once, twice = (stage_work(stage, job(n)) for n in (100, 200))
    assert (twice.units, twice.operations) == (2 * (once.units or 0), 2 * (once.operations or 0))
