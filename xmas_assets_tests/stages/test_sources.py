"""Tokens of a dataset's texts are counted by its own base model's tokenizer, where that is on this machine."""

import json

import pytest

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.stages.sources import token_counter
from xmas_assets_tests.e2e.platforms import row, write_dataset, xmas


def test_a_text_has_the_tokens_of_the_models_tokenizer_without_marks_of_its_own():
    count = token_counter(BaseModelSettings())
    assert count is not None
    assert count("red red red") - count("red") == 2
    assert count("") == 0


def test_a_model_of_the_hub_that_is_not_here_counts_nothing_and_nothing_is_fetched():
    assert token_counter(BaseModelSettings(source="owner/model", revision="0" * 40)) is None


def test_a_damaged_tokenizer_is_named(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match="tokenizer.json is no tokenizer"):
        token_counter(BaseModelSettings(source=str(tmp_path)))


def test_rows_images_and_tokens_are_told_by_task_at_registration_and_once_they_are_read(tmp_path):
    words = write_dataset(tmp_path / "data", [row(0) | {"task": "a"}, row(1) | {"task": "b"}, row(2) | {"task": "b"}])
    added = xmas(tmp_path / "home", "dataset", "add", "own", *words, "--json")
    assert added.code == 0, added.err
    sources = json.loads(added.out)["sources"]
    assert [(source["task"], source["records"]) for source in sources] == [("b", 2), ("a", 1)]
    assert all(source["tokens each"] > 2 for source in sources)
    assert xmas(tmp_path / "home", "select", "own", "--method", "full").code == 0
    said = xmas(tmp_path / "home", "dataset", "show", "own", "--json")
    read = json.loads(said.out)["sources"]
    assert [(source["task"], source["rows"], source["answer_tokens"]) for source in read] == [
        ("b", 2, None),
        ("a", 1, None),
    ]
    assert "tokens are not counted yet; they are by: xmas select own --method length" in said.err
    assert xmas(tmp_path / "home", "select", "own", "--method", "length", "--budget", "0.5").code == 0
    read = json.loads(xmas(tmp_path / "home", "dataset", "show", "own", "--json").out)["sources"]
    assert all(source["answer_tokens"] >= 2 * source["rows"] for source in read)
