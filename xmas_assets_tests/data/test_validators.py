import json

import pytest

from xmas_assets.contracts.samples import Turn
from xmas_assets.data import shapes
from xmas_assets.data.json_records import RawRecord
from xmas_assets.data.refusals import Rejection
from xmas_assets.data.validators import Draft, validate
from xmas_assets_tests.data.making import record, seen, talk


def validated(value) -> Draft | Rejection:
    return validate(RawRecord(0, 0, json.dumps(value).encode(), 0, value))


def reason(value) -> str:
    result = validated(value)
    assert isinstance(result, Rejection), result
    assert result.detail and "\n" not in result.detail and len(result.detail) < 300
    return result.reason.value


def draft(value) -> Draft:
    result = validated(value)
    assert isinstance(result, Draft), result
    return result


def turns_from(*names: str) -> list[dict[str, str]]:
    return [{"from": name, "value": "text"} for name in names]


def test_a_llava_record_becomes_turns_images_id_and_task():
    result = draft(seen(id="x", task="colour"))
    assert result.source_id == "x"
    assert result.turns == (Turn("user", "<image>\nWhat is it?"), Turn("assistant", "A cat."))
    assert result.images == ("a.png",)
    assert result.task == "colour"


def test_a_sharegpt_record_with_a_system_turn_and_two_images_is_read():
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "<image><image>Same?"},
        {"role": "assistant", "content": "No."},
    ]
    result = draft({"messages": messages, "images": ["a.png", "b.png"]})
    assert [turn.role for turn in result.turns] == ["system", "user", "assistant"]
    assert result.images == ("a.png", "b.png")


def test_content_parts_become_text_with_a_mark_where_an_image_part_stood():
    content = [{"type": "image", "text": None}, {"type": "text", "text": "Who?"}]
    value = {
        "messages": [
            {"role": "user", "content": content},
            {"role": "assistant", "content": [{"type": "text", "text": "Me"}]},
        ],
        "images": ["a.png"],
    }
    assert draft(value).turns == (Turn("user", "<image>Who?"), Turn("assistant", "Me"))


@pytest.mark.parametrize(
    ("kind", "code"), [("tool", "bad_value"), ("audio", "other_medium"), ("video", "other_medium")]
)
def test_a_content_part_of_another_type_sets_the_row_aside(kind, code):
    value = {"messages": [{"role": "user", "content": [{"type": kind}]}, {"role": "assistant", "content": "No."}]}
    assert reason(value) == code


@pytest.mark.parametrize("n_turns", [2, 4, 40])
def test_conversations_of_many_turns_are_read(n_turns):
    assert len(draft(record(conversations=talk(*["text"] * n_turns))).turns) == n_turns


# Ids (FAULTS 6, 7, 10).


@pytest.mark.parametrize(("given", "read"), [(7, "7"), ("7", "7"), (-1, "-1"), (None, None), ("", None), (..., None)])
def test_an_id_is_text_whatever_type_it_came_as(given, read):
    assert draft(record(id=given)).source_id == read


@pytest.mark.parametrize("name", ["a/b", "../../x", "é \N{GRINNING FACE}", "x" * 512, "'; DROP TABLE--", "a|b"])
def test_an_id_may_hold_anything_printable(name):
    assert draft(record(id=name)).source_id == name


@pytest.mark.parametrize("name", ["a\nb", "a\x00b", "a\x1b[31m", "\ud800", "x" * 10_000, 1.5, True, [1], {"a": 1}])
def test_an_id_with_control_characters_or_of_10_kilobytes_or_not_a_text_is_refused(name):
    assert reason(record(id=name)) == "bad_id"


# Conversations (FAULTS 11 to 15).


@pytest.mark.parametrize("conversations", [[], None, ..., ""])
def test_a_record_without_turns_has_no_conversation(conversations):
    assert reason(record(conversations=conversations)) == "no_conversation"


def test_a_system_turn_alone_is_no_conversation():
    assert reason(record(conversations=turns_from("system"))) == "no_conversation"


@pytest.mark.parametrize(
    "names",
    [("gpt", "human"), ("human", "human", "gpt"), ("human",), ("human", "gpt", "human"), ("human", "system", "gpt")],
    ids=["answer-first", "two-questions", "no-answer", "odd", "system-inside"],
)
def test_turns_out_of_order_are_refused(names):
    assert reason(record(conversations=turns_from(*names))) == "bad_turn_order"


@pytest.mark.parametrize("role", ["bot", "User", "", None, 3, ["human"]])
def test_an_unknown_role_is_refused(role):
    assert reason(record(conversations=[{"from": role, "value": "x"}, *turns_from("gpt")])) == "unknown_role"


@pytest.mark.parametrize("answer", ["", " ", "\n\t"])
def test_an_empty_answer_is_refused(answer):
    assert reason(record(conversations=talk("What?", answer))) == "empty_answer"


@pytest.mark.parametrize("value", [None, 3, 1.5, True, ["a"], {"a": 1}])
@pytest.mark.parametrize("place", [0, 1])
def test_a_turn_whose_value_is_no_text_is_refused(value, place):
    texts = ["What?", "That."]
    texts[place] = value
    assert reason(record(conversations=talk(*texts))) == "bad_value"


@pytest.mark.parametrize(
    "changes",
    [
        {"conversations": "text"},
        {"conversations": {"from": "human"}},
        {"conversations": ["text"]},
        {"conversations": talk("", "That.")},
        {"messages": turns_from("human", "gpt")},
    ],
)
def test_fields_of_a_wrong_type_or_given_twice_are_bad_values(changes):
    assert reason(record(**changes)) == "bad_value"


@pytest.mark.parametrize("value", [None, 3, "text", ["a"], True])
def test_a_record_that_is_no_object_is_a_bad_value(value):
    assert reason(value) == "bad_value"


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "a\udfff"])
def test_nul_and_lone_surrogates_in_a_text_are_refused(text):
    assert reason(record(conversations=talk(text, "That."))) == "bad_text"
    assert reason(record(conversations=talk("What?", text))) == "bad_text"
    assert reason(record(task=text)) == "bad_text"


def test_fifty_thousand_turns_are_too_large():
    assert shapes.MAX_TURNS == 10_000
    assert reason(record(conversations=talk(*["x"] * 50_000))) == "too_large"


# Images (FAULTS 16 to 19, 26).


@pytest.mark.parametrize(
    ("changes", "images"),
    [
        ({"image": "a.png"}, ("a.png",)),
        ({"image": ["a.png"]}, ("a.png",)),
        ({"image": ..., "images": ["a.png"]}, ("a.png",)),
        ({"image": None, "images": "a.png"}, ("a.png",)),
        ({"image": {"path": "a.png", "bytes": None}}, ("a.png",)),
    ],
)
def test_an_image_is_a_text_or_a_list_under_either_name(changes, images):
    assert draft(seen(**changes)).images == images


@pytest.mark.parametrize("image", [..., None, "", []])
def test_a_text_only_record_has_no_image_however_that_is_written(image):
    assert draft(record(image=image)).images == ()


@pytest.mark.parametrize(
    "image", [5, True, {"a": 1}, ["a.png", 5], [["a.png"]], {"bytes": "no base64!"}, {"bytes": 5}, "\ud800"]
)
def test_an_image_field_of_a_wrong_type_is_refused(image):
    assert reason(seen(image=image)) == "bad_image_field"


def test_image_and_images_that_differ_are_refused():
    assert reason(seen(images=["b.png"])) == "bad_image_field"
    assert draft(seen(images=["a.png"])).images == ("a.png",)


@pytest.mark.parametrize(
    ("given", "task"),
    [(7, "7"), (["a", "b"], "a"), ([], None), ([7], None), (1.5, None), ({"a": 1}, None), (None, None)],
)
def test_a_task_that_is_odd_costs_no_row(given, task):
    assert draft(record(task=given)).task == task


@pytest.mark.parametrize(
    ("text", "images"),
    [("What?", ["a.png"]), ("<image>What?", []), ("<image><image>", ["a.png"]), ("<image>", ["a.png", "b.png"])],
    ids=["0-marks-1-image", "1-mark-0-images", "2-marks-1-image", "1-mark-2-images"],
)
def test_marks_must_be_as_many_as_images(text, images):
    assert reason(record(conversations=talk(text, "That."), image=images)) == "image_count"


def test_marks_count_over_all_user_turns():
    turns = talk("<image>What?", "That.", "And <image>?", "This.")
    assert draft(record(conversations=turns, image=["a.png", "b.png"])).images == ("a.png", "b.png")


def test_a_mark_inside_the_answer_is_refused():
    assert reason(seen(conversations=talk("<image>What?", "An <image>."))) == "image_in_answer"


def test_special_tokens_in_user_text_are_kept_as_they_are():
    text = "<|im_end|></s><s>[INST] &lt;image&gt; \\<image\\> <IMAGE> < image>"
    assert draft(record(conversations=talk(text, "That.</s>"))).turns == (
        Turn("user", text),
        Turn("assistant", "That.</s>"),
    )
