"""What is understood of a dataset's first records, before it is read."""

import json

import pytest

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.data import first_look as module
from xmas_assets.data.first_look import first_look
from xmas_assets.data.registration import Registration
from xmas_assets_tests.data.making import image_root, record, seen, talk, write


def test_the_first_records_are_described_as_they_are_understood(tmp_path):
    records = [
        seen(id="1", task="pets", source="coco"),
        seen(id="2", task="pets", image="no.png"),
        record(id="3", conversations=talk("What?", "This.", "And that?", "That.") + [{"from": "nobody"}]),
        {
            "messages": [
                {"role": "user", "content": "Hi?", "mood": "x", "weight": 1},
                {"role": "assistant", "content": "Ho.", "loss": 0.5},
            ]
        },
    ]
    look = first_look(Registration.create("made", [write(tmp_path, records)], images=image_root(tmp_path)))
    assert look.files == {"a JSON list": 1}
    assert (look.n_records, look.accepted(), look.turns) == (4, 3, [2, 2, 2])
    assert look.shapes == {"'conversations'": 2, "'messages'": 1}
    assert (look.n_images, look.n_found) == (2, 1)
    assert "no.png" in look.lost
    assert look.read == {"id": 2, "image": 2, "conversations": 2, "task": 2, "messages": 1} | dict.fromkeys(
        ["loss (of turns)", "weight (of turns)"], 1
    )
    assert look.not_read == {"source": 1, "mood (of turns)": 1, "weight (of questions)": 1}
    assert look.refused == {"unknown_role": 1}
    assert look.first_refused["unknown_role"].startswith("record 2 of train.json: ")
    assert {name: vars(source) for name, source in look.sources.items()} == {
        "pets": {"records": 2, "with_images": 2, "turns": 4, "tokens": 0},
        "": {"records": 1, "with_images": 0, "turns": 2, "tokens": 0},
    }
    assert [draft.source_id for draft in look.examples] == ["1", "2", None]


@pytest.mark.parametrize("name", ["many.jsonl", "many.json"])
def test_only_the_first_thousand_records_are_looked_at(tmp_path, name):
    lines = [json.dumps(record(id=str(number))) for number in range(1001)]
    text = "\n".join(lines) if name.endswith("l") else f"[{','.join(lines)}, this is no JSON]"
    assert first_look(Registration.create("made", [write(tmp_path, text, name)])).n_records == 1000


def test_large_records_end_the_look_early(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_MOST_BYTES", 10_000)
    records = [record(conversations=talk("What?", "x" * 4000)) for _ in range(9)]
    assert first_look(Registration.create("made", [write(tmp_path, records)])).n_records == 3


def test_pictures_are_looked_up_and_not_opened(tmp_path):
    root = image_root(tmp_path, b_png=b"no picture")
    look = first_look(Registration.create("made", [write(tmp_path, [seen(image="b.png")])], images=root))
    assert (look.n_images, look.n_found) == (1, 1)


def test_a_file_that_cannot_be_read_says_why(tmp_path):
    with pytest.raises(DatasetError, match="of no form that is read"):
        first_look(Registration.create("made", [write(tmp_path, "plain words", "a.txt")]))
