"""VQAv2's official files."""

import json

import pytest

from xmas_assets.evaluation.benchmarks.base import Files
from xmas_assets.evaluation.benchmarks.vqav2 import Vqav2


@pytest.mark.parametrize(
    ("subtype", "image"),
    [
        ("train2014", "COCO_train2014_000000000009.jpg"),
        ("val2014", "COCO_val2014_000000000009.jpg"),
        ("test2015", "COCO_test2015_000000000009.jpg"),
        ("test-dev2015", "COCO_test2015_000000000009.jpg"),
    ],
)
def test_images_have_the_names_of_coco(subtype, image, tmp_path):
    path = tmp_path / "questions.json"
    row = {"question_id": 90, "image_id": 9, "question": "What is it?"}
    path.write_text(json.dumps({"data_subtype": subtype, "questions": [row]}), encoding="utf-8")
    (item,) = Vqav2().read(Files(questions=(path,)))
    assert item.images == (image,)
