import json
from hashlib import sha256

import pytest

from xmas_assets.data.registration import Registration
from xmas_assets.data.shapes import SHAPES as READ
from xmas_assets.data.shapes import nearest_shape
from xmas_assets_tests.data.making import Read, read, record, seen, talk, write
from xmas_assets_tests.data.shapes import BLUE, FILES, RED, SHAPES, encoded, expected_turns, in_parts


def read_one(folder, *records) -> Read:
    (folder / "images").mkdir(exist_ok=True)
    for name, data in FILES.items():
        (folder / "images" / name).write_bytes(data)
    path = write(folder, list(records))
    return read(Registration.create("made", [path], images=folder / "images"), image_store=folder / "store")


@pytest.mark.parametrize("name", SHAPES)
def test_a_record_of_any_shape_is_read_as_the_llava_record_of_the_same_content(tmp_path, name):
    result = read_one(tmp_path, SHAPES[name])
    assert [item["detail"] for item in result.quarantine] == []
    assert [(turn["role"], turn["text"]) for turn in result.samples[0]["turns"]] == expected_turns(name)
    assert result.samples[0]["image_hashes"] == [sha256(data).hexdigest() for data in (RED, BLUE)]


def test_every_shape_that_is_read_is_tried():
    tried = {shape.fields for shape in READ for given in SHAPES.values() if set(shape.fields) <= set(given)}
    assert tried == {shape.fields for shape in READ}


@pytest.mark.parametrize("name", SHAPES)
def test_the_second_picture_missing_sets_the_row_aside(tmp_path, name):
    """So that the test above cannot pass by pictures that are not looked at."""
    text = json.dumps(SHAPES[name]).replace("b.png", "gone.png").replace(encoded(BLUE), encoded(b"none" * 30))
    with pytest.raises(Exception, match="image_missing|image_format"):
        read_one(tmp_path, json.loads(text))


# Turns and texts.


def test_texts_of_parts_are_joined_as_they_stand(tmp_path):
    content = [
        {"type": "text", "text": "In "},
        {"type": "image", "image": "a.png"},
        {"type": "text", "text": ", what?"},
    ]
    given = {"messages": [{"role": "user", "content": content}, {"role": "assistant", "content": "Red."}]}
    assert read_one(tmp_path, given).samples[0]["turns"][0]["text"] == "In <image>, what?"


@pytest.mark.parametrize("field", ["system", "system_prompt"])
def test_a_system_text_beside_the_turns_is_the_first_turn(tmp_path, field):
    turns = read_one(tmp_path, record(**{field: "Be brief."})).samples[0]["turns"]
    assert turns[0] == {"role": "system", "text": "Be brief."}
    assert [turn["role"] for turn in turns] == ["system", "user", "assistant"]


def test_a_system_text_given_twice_is_one_turn_and_two_different_ones_are_refused(tmp_path):
    turns = [{"from": "system", "value": "Be brief."}, *talk("What?", "That.")]
    result = read_one(
        tmp_path, record(system="Be brief.", conversations=turns), record(system="Be long.", conversations=turns)
    )
    assert [turn["role"] for turn in result.samples[0]["turns"]] == ["system", "user", "assistant"]
    assert [item["reason"] for item in result.quarantine] == ["bad_value"]


# Pictures.


@pytest.mark.parametrize(
    "nothing", [None, "", [], [None], [""], {"bytes": None, "path": None}, [{"bytes": None, "path": None}]]
)
def test_a_field_that_holds_no_picture_is_none(tmp_path, nothing):
    result = read_one(tmp_path, record(image=nothing), record(images=nothing))
    assert [row["n_images"] for row in result.samples] == [0, 0]


def test_numbered_marks_name_their_picture(tmp_path):
    given = {
        "images": ["a.png", "b.png"],
        "messages": [
            {"role": "user", "content": "<|image_2|> or <|image_1|>?"},
            {"role": "assistant", "content": "No."},
        ],
    }
    row = read_one(tmp_path, given).samples[0]
    assert row["turns"][0]["text"] == "<image> or <image>?"
    assert row["images"] == ["b.png", "a.png"]


@pytest.mark.parametrize("mark", ["<|image_1|>", "<ImageHere>", "<|vision_start|><|image_pad|><|vision_end|>"])
def test_a_mark_without_its_picture_sets_the_row_aside_and_is_named(tmp_path, mark):
    result = read_one(tmp_path, record(), {"conversations": talk(f"{mark}What?", "That.")})
    assert result.quarantine[0]["reason"] == "image_count"
    assert f"1 {mark} marks for 0 images" in result.quarantine[0]["detail"]


def test_a_record_of_llava_without_marks_is_refused_with_its_image_field(tmp_path):
    given = {"image_path": "a.png", "conversations": talk("What?", "That.")}
    result = read_one(tmp_path, record(), given)
    assert "0 <image> marks for 1 images of 'image_path'" in result.quarantine[0]["detail"]


def test_base64_that_is_broken_sets_the_row_aside(tmp_path):
    result = read_one(tmp_path, record(), in_parts("data:image/png;base64,@@@", name="image"))
    assert result.quarantine[0]["reason"] == "bad_image_field"


@pytest.mark.parametrize("field", ["video", "videos", "audio", "audios"])
def test_a_row_with_another_medium_is_set_aside_with_the_field(tmp_path, field):
    result = read_one(tmp_path, seen(), seen(id="b", **{field: "clip.mp4"}), seen(id="c", **{field: []}))
    assert [row["source_id"] for row in result.samples] == ["a", "c"]
    assert [item["reason"] for item in result.quarantine] == ["other_medium"]
    assert field in result.quarantine[0]["detail"] and "clip.mp4" in result.quarantine[0]["detail"]


# Boxes.


@pytest.mark.parametrize(
    "objects", [{"ref": ["dog"], "bbox": [[1, 2.5, 3, 4]]}, '{"ref": ["dog"], "bbox": [[1, 2.5, 3, 4]]}']
)
def test_names_and_boxes_are_written_where_their_marks_stand(tmp_path, objects):
    given = seen(conversations=talk("<image>Where is the <ref-object>?", "At <bbox>."), objects=objects)
    result = read_one(tmp_path, given)
    assert [turn["text"] for turn in result.samples[0]["turns"]] == ["<image>Where is the dog?", "At [1, 2.5, 3, 4]."]
    assert result.ledger.notices["boxes_filled_in"] == 1


@pytest.mark.parametrize(
    ("objects", "code"),
    [
        (None, "box_count"),
        ({"bbox": []}, "box_count"),
        ({"bbox": [[1, 2, 3, 4], [1, 2, 3, 4]]}, "box_count"),
        ([{"bbox": [1, 2, 3, 4]}], "box_count"),
        ({"bbox": [[1, 2, 3]]}, "bad_value"),
        ({"bbox": ["1, 2"]}, "bad_value"),
        ({"bbox": [[True, 2, 3, 4]]}, "bad_value"),
    ],
)
def test_boxes_that_do_not_fit_their_marks_set_the_row_aside(tmp_path, objects, code):
    result = read_one(tmp_path, record(), seen(conversations=talk("<image>Where?", "<bbox>"), objects=objects))
    assert [item["reason"] for item in result.quarantine] == [code]


# What is not read.


def test_fields_that_are_not_read_are_counted(tmp_path):
    result = read_one(
        tmp_path, record(source="x", score=1), record(id="b", source="y", empty=None), seen(objects={"a": 1})
    )
    assert {name: n for name, n in result.ledger.notices.items() if name.startswith("field_not_read:")} == {
        "field_not_read:source": 2,
        "field_not_read:score": 1,
        "field_not_read:objects": 1,
    }


def test_fields_of_turns_that_are_not_read_are_counted_by_record(tmp_path):
    asked, answered = {"role": "user", "content": "What?", "name": None}, {"role": "assistant", "content": "This."}
    pair = {"user": "What?", "assistant": "This.", "source": "x"}
    result = read_one(
        tmp_path,
        {"messages": [asked, answered | {"train_detail": [1]}, asked, answered | {"train_detail": [2], "mood": "x"}]},
        {"conversations": json.dumps([asked, answered | {"train_detail": [3]}])},
        {"texts": [pair, pair]},
        {"prompt": [asked | {"train": True, "weight": 0}], "completion": [answered]},
    )
    assert len(result.samples) == 4
    assert {name: n for name, n in result.ledger.notices.items() if "field_not_read" in name} == {
        "turn_field_not_read:train_detail": 2,
        "turn_field_not_read:mood": 1,
        "turn_field_not_read:source": 1,
        "question_field_not_read:train": 1,
    }


def test_notices_of_ten_thousand_different_fields_take_no_room(tmp_path):
    result = read_one(tmp_path, record(**{f"field{number}": 1 for number in range(10_000)}))
    assert len(result.ledger.notices) < 110
    assert result.ledger.notices.total() > 9_900


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (["id", "instruction"], "'id', 'instruction' are seen; the nearest shape that is read needs 'output' too"),
        (["conversations"], "needs a value of 'conversations'"),
        (["Conversation"], "'Conversation' may stand for 'conversation'"),
        (["dialog", "x"], "read are 'conversations', 'messages', .* 'question' and 'answer'"),
        ([], "no field is seen"),
    ],
)
def test_where_no_shape_is_seen_the_nearest_one_is_named(fields, said):
    import re

    assert re.search(said, nearest_shape(fields))


@pytest.mark.parametrize(("given", "kept"), [(1000.0, "1000"), (123456789012345678901, "123456789012345678901")])
def test_an_id_that_is_a_long_or_a_whole_number_keeps_its_digits(tmp_path, given, kept):
    assert read_one(tmp_path, record(id=given)).samples[0]["sample_id"] == kept
