import numpy as np
import pytest

from xmas_assets.toy.questions import ANSWERS, SKILLS, SPACE, Question, ask, word_question
from xmas_assets.toy.scenes import Scene, Thing, sample_scene

TWO_CIRCLES = Scene(
    "gray",
    (
        Thing("circle", "red", x=10, y=10, radius=6),
        Thing("circle", "blue", x=50, y=10, radius=6),
        Thing("square", "blue", x=40, y=50, radius=11),
    ),
)


def answers(skill: str, scene: Scene = TWO_CIRCLES) -> set[tuple[tuple[str, ...], str]]:
    rng = np.random.default_rng(0)
    found = (ask(skill, scene, rng) for _ in range(300))
    return {(tuple(value for _, value in question.slots), question.answer) for question in found if question}


@pytest.mark.parametrize(
    ("skill", "expected"),
    [
        ("colour", {(("square",), "blue")}),
        ("shape", {(("red",), "circle")}),
        ("count", {(("objects",), "three"), (("circles",), "two"), (("squares",), "one")}),
        ("size", {(("red circle",), "small"), (("blue circle",), "small"), (("blue square",), "big")}),
        ("compare", {(("biggest",), "blue")}),
        ("background", {((), "gray")}),
        (
            "position",
            {
                (("red circle", "left or right"), "left"),
                (("red circle", "top or bottom"), "top"),
                (("blue circle", "left or right"), "right"),
                (("blue circle", "top or bottom"), "top"),
                (("blue square", "left or right"), "right"),
                (("blue square", "top or bottom"), "bottom"),
            },
        ),
    ],
)
def test_only_unambiguous_questions_are_asked_and_answers_are_true(skill, expected):
    assert answers(skill) == expected


def test_exist_says_yes_for_what_stands_there_and_no_for_all_else():
    there = {"a red circle", "a blue circle", "a blue square"}
    asked = answers("exist")
    assert {target for (target,), answer in asked if answer == "yes"} == there
    absent = {target for (target,), answer in asked if answer == "no"}
    assert "a red square" in absent
    assert not absent & there


def test_every_skill_can_give_each_of_its_answers():
    rng = np.random.default_rng(1)
    scenes = [sample_scene(SPACE, rng) for _ in range(400)]
    for skill in SKILLS:
        found = {question.answer for scene in scenes if (question := ask(skill, scene, rng))}
        assert found == set(ANSWERS[skill])


def test_a_question_is_worded_in_several_ways():
    rng = np.random.default_rng(2)
    question = Question("colour", (("shape", "circle"),), "red")
    wordings = {word_question(question, rng) for _ in range(100)}
    assert "What colour is the circle?" in wordings
    assert len(wordings) == 4
