"""What a template wrote is remembered in the process, and only for models for which it would write the same."""

from itertools import count
from typing import Any

import pytest

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.samples import Turn
from xmas_assets.toy.model import build_processor
from xmas_assets.vlm.templates import ChatTemplate
from xmas_assets_tests.vlm.forks import n_forks

_NUMBERS = count()
QUESTION = (Turn("user", "<image>\nhi"), Turn("assistant", "yes"))
WRITTEN = (
    "{% for m in messages %}{{ bos_token }}{% for part in m.content %}{{ part.text or '<image>' }}{% endfor %}"
    "{{ eos_token }}{% endfor %}"
)


@pytest.fixture
def processor():
    """With a template that no other test has run."""
    processor = build_processor()
    processor.chat_template = f"{{# {next(_NUMBERS)} #}}{WRITTEN}"
    return processor


def copy_of(processor: Any) -> Any:
    copy = build_processor()
    copy.chat_template = processor.chat_template
    return copy


def rendered(processor: Any, turns: tuple[Turn, ...] = QUESTION) -> tuple[str, int]:
    """The text, and how many processes were started for it."""
    before = n_forks()
    text = ChatTemplate(processor).render(turns).text
    return text, n_forks() - before


def test_a_template_runs_once_per_order_of_turns_however_many_models_are_loaded(processor):
    other_order = (Turn("user", "hi"), Turn("assistant", "yes"))
    assert rendered(processor) == ("<s><image>hi</s><s>yes</s>", 1)
    assert rendered(copy_of(processor)) == ("<s><image>hi</s><s>yes</s>", 0)
    assert rendered(copy_of(processor), other_order) == ("<s>hi</s><s>yes</s>", 1)
    assert rendered(copy_of(processor), other_order) == ("<s>hi</s><s>yes</s>", 0)


def test_end_token_is_remembered_too(processor):
    rendered(processor, (Turn("user", "hi"), Turn("assistant", "yes")))
    before = n_forks()
    assert ChatTemplate(copy_of(processor)).end_token() == "</s>"
    assert n_forks() == before


def test_the_same_template_with_other_special_tokens_is_another(processor):
    rendered(processor)
    other = copy_of(processor)
    other.tokenizer.add_special_tokens({"bos_token": "<begin>"})
    assert rendered(other) == ("<begin><image>hi</s><begin>yes</s>", 1)


def test_another_template_is_another(processor):
    rendered(processor)
    other = copy_of(processor)
    other.chat_template += "ENDED"
    assert rendered(other) == ("<s><image>hi</s><s>yes</s>ENDED", 1)


def test_a_processor_of_another_class_is_asked_itself(processor):
    rendered(processor)
    other = copy_of(processor)
    other.__class__ = type("Other", (type(processor),), {})
    assert rendered(other) == ("<s><image>hi</s><s>yes</s>", 1)


def test_a_template_that_loses_the_image_token_of_another_model_is_still_refused(processor):
    rendered(processor)
    other = copy_of(processor)
    other.image_token = "<picture>"
    with pytest.raises(ModelError, match="each image as one <picture>"):
        rendered(other)


@pytest.mark.parametrize(
    "hostile", ["{{ 9**(9**9) }}", "{{ raise_exception('no') }}", "{{ 'a' * 10**7 }}", "{{ 'hi' }}"]
)
def test_a_refused_template_is_run_and_refused_again(processor, hostile):
    processor.chat_template = hostile + ("" if hostile == "{{ 'hi' }}" else WRITTEN)
    for _ in range(2):
        before = n_forks()
        with pytest.raises(ModelError, match="chat template"):
            rendered(copy_of(processor))
        assert n_forks() == before + 1


def test_a_long_text_is_not_remembered(processor):
    processor.chat_template += "long" * 10_000
    assert [rendered(copy_of(processor))[1] for _ in range(2)] == [1, 1]
