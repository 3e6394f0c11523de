"""Weights of answers from the files to the samples that stages read, through the stored tables."""

from xmas_assets.data.registration import Registration
from xmas_assets.home.home import Home
from xmas_assets.home.records import held_out_questions, training_samples
from xmas_assets.stages.datasets import stage_dataset
from xmas_assets_tests.data.making import record, write

FLAGGED = [
    {"from": "human", "value": "Is it red?"},
    {"from": "gpt", "value": "Yes.", "weight": 0},
    {"from": "human", "value": "And blue?"},
    {"from": "gpt", "value": "No.", "weight": 0.5},
]


def staged(folder, *conversations):
    home = Home(folder / "home")
    records = [record(id=str(number), conversations=turns) for number, turns in enumerate(conversations)]
    test = write(folder, [record(id="t")], "test.json")
    home.register(Registration.create("made", [write(folder, records)], test=[test]))
    return stage_dataset(home.path("work"), home, "made", progress=lambda progress: None)


def test_stored_samples_have_the_weights_of_their_answers(tmp_path):
    plain = [{name: value for name, value in turn.items() if name != "weight"} for turn in FLAGGED]
    tables = staged(tmp_path / "flagged", FLAGGED, plain)
    assert [sample.loss_weights for sample in training_samples(tables)] == [(0.0, 0.5), ()]
    assert [sample.loss_weights for sample in held_out_questions(tables)] == [()]
    without = staged(tmp_path / "plain", plain, plain)
    assert "loss_weights" not in without["samples"].columns
    assert tables["test"].digest == without["test"].digest
