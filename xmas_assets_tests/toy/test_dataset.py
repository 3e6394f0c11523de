import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from xmas_assets.contracts.errors import OutputError
from xmas_assets.toy import dataset as synthetic
from xmas_assets.toy.dataset import SyntheticSettings, generate
from xmas_assets.toy.questions import RARE_SKILLS, SKILLS

SMALL = SyntheticSettings(n_train=200, n_test=48, group_size=16)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("synthetic")
    generate(SMALL, directory)
    return directory


def read(directory: Path, split: str) -> list[dict]:
    return json.loads((directory / f"{split}.json").read_text(encoding="utf-8"))


def files(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()
    }


def test_records_are_llava_records_with_their_pictures(small):
    records = read(small, "train") + read(small, "test")
    assert len({record["id"] for record in records}) == len(records) == 248
    for record in records:
        human, gpt = record["conversations"]
        assert (human["from"], gpt["from"]) == ("human", "gpt")
        assert human["value"].startswith("<image>\n")
        assert gpt["value"] and " " not in gpt["value"]
        assert record["task"] in SKILLS
        with Image.open(small / record["image"]) as picture:
            assert (picture.size, picture.mode) == ((64, 64), "RGB")


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(small, tmp_path):
    generate(SMALL, tmp_path / "again")
    generate(SMALL.model_copy(update={"seed": 1}), tmp_path / "other")
    assert files(tmp_path / "again") == files(small)
    assert files(tmp_path / "other")["train.json"] != files(small)["train.json"]


def test_no_scene_of_the_test_set_is_in_the_training_set(monkeypatch, tmp_path):
    drawn = []
    draw = synthetic.draw_scene

    def spy(scene, rng):
        drawn.append(scene.signature())
        return draw(scene, rng)

    monkeypatch.setattr(synthetic, "draw_scene", spy)
    generate(SyntheticSettings(n_train=600, n_test=240), tmp_path)
    n_test = len({record["image"] for record in read(tmp_path, "test")})
    train, test = set(drawn[:-n_test]), drawn[-n_test:]
    assert n_test == 240
    assert len(set(test)) == 240
    assert not train & set(test)


def test_test_set_is_balanced_over_skills_and_answers(small):
    records = read(small, "test")
    assert Counter(record["task"] for record in records) == dict.fromkeys(SKILLS, 6)
    answers = defaultdict(Counter)
    for record in records:
        answers[record["task"]][record["conversations"][1]["value"]] += 1
    assert answers["exist"] == {"yes": 3, "no": 3}
    assert answers["background"] == {"white": 2, "gray": 2, "black": 2}
    assert len(answers["colour"]) == 6


def test_rare_skills_have_their_share_and_repeat_nothing(small):
    """12 % of 200 rows are 24: six for each of four rare skills."""
    rare = [record for record in read(small, "train") if record["task"] in RARE_SKILLS]
    assert Counter(record["task"] for record in rare) == dict.fromkeys(RARE_SKILLS, 6)
    assert len({record["image"] for record in rare}) == 24
    assert len({record["group"] for record in rare}) == 24


def grouped(directory: Path) -> list[list[dict]]:
    groups = defaultdict(list)
    for record in read(directory, "train"):
        groups[record["group"]].append(record)
    return list(groups.values())


def shares(**chosen: float) -> SyntheticSettings:
    none = {"rare_share": 0, "same_both": 0, "same_image": 0, "same_question": 0}
    return SyntheticSettings(n_train=64, n_test=0, group_size=16, **(none | chosen))


def pixels(directory: Path, record: dict) -> np.ndarray:
    with Image.open(directory / record["image"]) as picture:
        return np.asarray(picture, dtype=float)


def test_same_both_draws_one_scene_again_and_asks_the_same_in_other_words(tmp_path):
    generate(shares(same_both=1.0), tmp_path)
    groups = grouped(tmp_path)
    assert [len(group) for group in groups] == [16] * 4
    for group in groups:
        assert len({record["image"] for record in group}) == 16
        assert len({record["conversations"][1]["value"] for record in group}) == 1
        assert len({record["conversations"][0]["value"] for record in group}) > 1
    within = np.abs(pixels(tmp_path, groups[0][0]) - pixels(tmp_path, groups[0][1])).mean()
    between = np.abs(pixels(tmp_path, groups[0][0]) - pixels(tmp_path, groups[1][0])).mean()
    assert 0 < within < between


def test_same_image_asks_different_questions_on_one_picture(tmp_path):
    generate(shares(same_image=1.0), tmp_path)
    groups = grouped(tmp_path)
    assert [len(group) for group in groups] == [4] * 16
    for group in groups:
        assert len({record["image"] for record in group}) == 1
        assert len({record["conversations"][0]["value"] for record in group}) == 4


def test_same_question_asks_one_question_on_different_pictures(tmp_path):
    generate(shares(same_question=1.0), tmp_path)
    groups = grouped(tmp_path)
    assert [len(group) for group in groups] == [16] * 4
    for group in groups:
        assert len({record["image"] for record in group}) == 16
        # One question has at most four wordings.
        assert len({record["conversations"][0]["value"] for record in group}) <= 4


def test_without_redundancy_every_row_is_its_own_group(tmp_path):
    generate(shares(), tmp_path)
    assert [len(group) for group in grouped(tmp_path)] == [1] * 64


def test_shares_above_one_are_refused():
    with pytest.raises(ValidationError, match=r"is 1\.1; let them add up to at most 1"):
        SyntheticSettings(same_both=0.6, same_image=0.3, same_question=0.2)


@pytest.mark.parametrize("target", [".", "train.json"])
def test_a_folder_that_holds_anything_or_is_a_file_is_refused_and_left_as_it_is(tmp_path, target):
    (tmp_path / "train.json").write_text("mine")
    with pytest.raises(OutputError, match="is not empty; give a new or empty|cannot be written .Not a directory"):
        generate(SMALL, tmp_path / target)
    assert files(tmp_path) == {"train.json": b"mine"}
