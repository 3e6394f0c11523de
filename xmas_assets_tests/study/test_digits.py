"""The digits as pictures with questions: apart in training and test, repeated where asked."""

import json
from collections import Counter

from PIL import Image

from study.digits import write_digits


def read(folder, split):
    return json.loads((folder / f"{split}.json").read_text())


def test_training_and_test_pictures_are_apart_and_all_are_used(tmp_path):
    write_digits(tmp_path, seed=1)
    train, test = ({record["image"] for record in read(tmp_path, split)} for split in ("train", "test"))
    assert not train & test
    assert (len(train), len(test)) == (1437, 360)
    assert Image.open(tmp_path / min(train)).size == (64, 64)


def test_some_pictures_come_several_times_each_moved_a_little(tmp_path):
    write_digits(tmp_path, seed=1, n_repeated=3, copies=5, n_single=7)
    pictures = {record["image"] for record in read(tmp_path, "train")}
    times = Counter(picture.split("/")[1][:4] for picture in pictures)
    assert sorted(times.values()) == [1] * 7 + [5] * 3
    repeated = times.most_common(1)[0][0]
    shown = {Image.open(path).tobytes() for path in (tmp_path / "images").glob(f"{repeated}-*.png")}
    assert len(shown) > 1
