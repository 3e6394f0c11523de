import pytest
from pydantic import BaseModel, ValidationError

from xmas_assets.contracts.messages import describe_invalid


class Pet(BaseModel):
    name: str
    age: int
    legs: int
    friends: list[int]


def described(**fields) -> str:
    with pytest.raises(ValidationError) as caught:
        Pet.model_validate(fields)
    return describe_invalid(caught.value)


def test_field_problem_and_value_stand_in_one_line():
    assert described(name=3, age=1, legs=4, friends=[]) == "name: Input should be a valid string, got 3"


def test_nested_fields_are_named_with_their_path():
    assert described(name="a", age=1, legs=4, friends=[1, "x"]).startswith("friends.1: ")


def test_more_than_three_problems_are_counted():
    text = described()
    assert text.startswith("name: Field required; age: Field required; legs: Field required")
    assert text.endswith("; and 1 more")


def test_a_long_or_many_lined_value_is_cut_short():
    text = described(name=["x\n" * 100_000], age=1, legs=4, friends=[])
    assert len(text) < 200
    assert "\n" not in text
