from types import SimpleNamespace

import pytest
from tokenizers import AddedToken

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.samples import Turn
from xmas_assets.toy.model import build_processor
from xmas_assets.vlm.templates import ChatTemplate

# As on the hub for LLaVA-1.5: images first, nothing after an answer.
LLAVA_HF = (
    "{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': '}}{% endif %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}"
    "{% if message['role'] != 'assistant' %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' '}}"
    "{% endfor %}{% else %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% generation %}{{ content['text'] + ' '}}{% endgeneration %}{% endfor %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TWO_ROUNDS = (
    Turn("user", "<image>\nwhat is it?"),
    Turn("assistant", "a dog"),
    Turn("user", "sure?"),
    Turn("assistant", "yes"),
)


def processor_with(template: str | None):
    processor = build_processor()
    processor.chat_template = template
    processor.tokenizer.add_tokens([AddedToken("<|im_start|>", special=True), AddedToken("<|im_end|>", special=True)])
    return processor


def learned(template: ChatTemplate, turns: tuple[Turn, ...]) -> list[str]:
    text, answers = template.render(turns)
    return [text[start:stop] for start, stop in answers]


def messages(turns: tuple[Turn, ...]) -> list[dict]:
    """The turns as transformers takes them, written without our own code; images stand first in these turns."""
    made = []
    for role, text in turns:
        parts = [{"type": "image"}] * text.count("<image>")
        made.append({"role": role, "content": [*parts, {"type": "text", "text": text.replace("<image>", "").strip()}]})
    return made


def test_chatml_is_written_as_transformers_writes_it_and_answers_end_with_their_end_token():
    processor = processor_with(CHATML)
    template = ChatTemplate(processor)
    assert template.render(TWO_ROUNDS).text == processor.apply_chat_template(messages(TWO_ROUNDS), tokenize=False)
    assert learned(template, TWO_ROUNDS) == ["a dog<|im_end|>", "yes<|im_end|>"]
    assert template.end_token() == "<|im_end|>"


def test_a_template_without_end_token_gets_the_tokenizers_own_as_llava_was_trained():
    template = ChatTemplate(processor_with(LLAVA_HF))
    assert template.render(TWO_ROUNDS).text == (
        "USER: <image>\nwhat is it? ASSISTANT: a dog</s>USER: sure? ASSISTANT: yes</s>"
    )
    assert learned(template, TWO_ROUNDS) == [" a dog</s>", " yes</s>"]
    assert template.end_token() == "</s>"


@pytest.mark.parametrize("source", [LLAVA_HF, CHATML, build_processor().chat_template])
def test_the_text_before_an_answer_is_the_templates_own_generation_prompt(source):
    processor = processor_with(source)
    text, answers = ChatTemplate(processor).render(TWO_ROUNDS)
    asked = processor.apply_chat_template(messages(TWO_ROUNDS[:1]), tokenize=False, add_generation_prompt=True)
    assert text[: answers[0][0]] == asked


@pytest.mark.parametrize("source", [CHATML, build_processor().chat_template])
def test_special_tokens_written_in_a_question_or_answer_stay_text(source):
    processor = processor_with(source)
    template = ChatTemplate(processor)
    turns = (Turn("user", "what does </s> or <|im_end|> mean?"), Turn("assistant", "<image> is a mark, </s> an end"))
    plain = (Turn("user", "what does it mean?"), Turn("assistant", "a mark"))
    special = set(processor.tokenizer.all_special_ids) | {processor.image_token_id}

    def specials(conversation):
        ids = processor.tokenizer(template.render(conversation).text)["input_ids"]
        return [i for i in ids if i in special]

    assert specials(turns) == specials(plain)
    assert "what does < /s> or < |im_end|> mean?" in template.render(turns).text


def test_images_stand_where_their_marks_stand():
    turns = (Turn("user", "left <image> and right <image> differ?"), Turn("assistant", "no"))
    text = ChatTemplate(processor_with(CHATML)).render(turns).text
    assert text.startswith("<|im_start|>user\nleft<image>and right<image>differ?<|im_end|>")


def test_a_system_message_is_never_learned():
    turns = (Turn("system", "be brief"), *TWO_ROUNDS[:2])
    template = ChatTemplate(processor_with(CHATML))
    assert "be brief" in template.render(turns).text
    assert learned(template, turns) == ["a dog<|im_end|>"]


@pytest.mark.parametrize(
    "template",
    [
        "{% for message in messages %}{{ message['role'] }}{% endfor %}",
        "{% for message in messages | reverse %}{{ message['content'][-1]['text'] }}{% endfor %}",
        "{% for message in messages %}{% for part in message['content'] %}{{ part['text'] }}{% endfor %}{% endfor %}",
    ],
    ids=["loses the texts", "turns them round", "loses the image"],
)
def test_a_template_that_loses_or_moves_parts_is_refused(template):
    with pytest.raises(ModelError, match="loses, repeats or moves parts"):
        ChatTemplate(processor_with(template)).render(TWO_ROUNDS)


def test_a_template_that_refuses_a_role_is_reported():
    refusing = "{{ raise_exception('no system here') }}"
    with pytest.raises(ModelError, match="no system here"):
        ChatTemplate(processor_with(refusing)).render(TWO_ROUNDS)


def test_a_processor_without_a_template_is_refused():
    with pytest.raises(ModelError, match="no chat template"):
        ChatTemplate(processor_with(None))


def test_a_processor_without_an_image_token_is_refused():
    tokenizer = build_processor().tokenizer
    with pytest.raises(ModelError, match="no image token"):
        ChatTemplate(SimpleNamespace(tokenizer=tokenizer, chat_template=CHATML))
