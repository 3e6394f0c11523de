"""The prompts that families published, word for word as their own evaluation code builds them."""

import pytest

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.evaluation.benchmarks.base import Item
from xmas_assets.evaluation.benchmarks.family_prompts import FAMILY_PROMPTS, family_prompt, family_prompt_table
from xmas_assets.evaluation.benchmarks.registry import BENCHMARKS


def item(question: str, **options: str) -> Item:
    details = {"options": options} if options else {}
    return Item(item_id="1", question=question, prompt="-", images=(), references=(), details=details)


@pytest.mark.parametrize(
    ("family", "benchmark", "asked", "expected"),
    [
        (
            "qwen2_vl",
            "seedbench",
            item("How many {options}?", A="One", B="{question}"),
            "Question: How many {options}?\nOptions:\nA. One\nB. {question}\n"
            "Please select the correct answer from the options above.",
        ),
        ("qwen2_5_vl", "mmmu", item("Why?"), "Question: Why?"),
        ("qwen2_vl", "pope", item("Is there a car?"), "Is there a car? Please answer yes or no."),
        ("paligemma", "vqav2", item("Is it red?"), "answer en Is it red?"),
        ("paligemma", "captions_coco", item("caption it"), "caption en"),
        (
            "internvl",
            "vizwiz",
            item("What is it?"),
            "What is it? When the provided information is insufficient, respond with 'Unanswerable'. "
            "Answer the question using a single word or phrase.",
        ),
    ],
)
def test_a_prompt_is_as_published(family, benchmark, asked, expected):
    assert family_prompt(family, benchmark).of(asked) == expected


def test_a_prompt_that_is_not_published_is_refused_with_those_that_are():
    expected = "no prompt of llava's own for pope is known, only of qwen2_vl, qwen2_5_vl, paligemma; write"
    with pytest.raises(SettingsError, match=expected):
        family_prompt("llava", "pope")


def test_every_prompt_is_of_a_benchmark_and_names_its_source():
    for prompts in FAMILY_PROMPTS.values():
        assert prompts.keys() <= BENCHMARKS.keys()
        assert all(prompt.source.endswith(".py") for prompt in prompts.values())
    assert len(family_prompt_table().splitlines()) == 2 + sum(map(len, FAMILY_PROMPTS.values()))
