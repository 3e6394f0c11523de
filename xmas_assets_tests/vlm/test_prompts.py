import numpy as np
import pytest
import torch
from PIL import Image

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.samples import Reason, Sample, Turn
from xmas_assets.toy.model import build_processor
from xmas_assets.vlm.batches import collate
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.prompts import Encoded, Encoder, pad_token_id

IMAGE = ["<image>"] * 16
PROCESSOR = build_processor()
PICTURES = Pictures(PROCESSOR, lambda name, _: Image.new("RGB", (70, 40), name))


def encoder(max_tokens: int = 2048) -> Encoder:
    return Encoder(PROCESSOR, PICTURES, image_token_id=PROCESSOR.image_token_id, max_tokens=max_tokens)


def sample(*texts: str, images: tuple[str, ...] = (), name: str = "s") -> Sample:
    turns = tuple(Turn("assistant" if number % 2 else "user", text) for number, text in enumerate(texts))
    return Sample(name, turns, images, tuple(f"hash of {image}" for image in images))


def one(row: Sample) -> Encoded:
    (encoded,), left_out = encoder().encode([row])
    assert not left_out
    return encoded


def tokens(ids) -> list[str]:
    return [PROCESSOR.tokenizer.decode([i]) for i in ids]


def learned(encoded: Encoded) -> list[str]:
    return tokens(encoded.input_ids[encoded.is_answer])


def test_every_token_of_a_one_turn_sample_is_where_it_belongs():
    row = one(sample("<image>\nwhat color is the circle?", "red", images=("red",)))
    before = ["<s>", "USER", ":", " ", *IMAGE, "\n", "what", " color", " is", " the", " circle", "?"]
    assert tokens(row.input_ids) == [*before, " ASSISTANT", ":", " red", "</s>"]
    assert row.labels.tolist() == [-100] * (len(before) + 2) + row.input_ids[-2:].tolist()
    assert np.flatnonzero(row.is_image).tolist() == list(range(4, 20))


def test_every_answer_of_a_conversation_is_learned_with_its_end_and_nothing_else():
    row = one(sample("<image>\nis it red?", "yes", "how many?", "two circles", images=("red",)))
    assert learned(row) == [" yes", "</s>", " two", " circles", "</s>"]
    assert row.labels.dtype == np.int64
    assert (row.labels[~row.is_answer] == -100).all()


def test_an_answer_repeated_in_a_question_is_not_learned_there():
    row = one(sample("is yes the answer yes?", "yes"))
    assert learned(row) == [" yes", "</s>"]
    assert np.flatnonzero(row.is_answer).tolist() == [len(row.input_ids) - 2, len(row.input_ids) - 1]


def test_several_images_get_their_tokens_in_their_places():
    row = one(sample("<image> or <image>?", "left", "and <image>?", "right", images=("red", "blue", "green")))
    assert row.is_image.sum() == 48
    runs = np.flatnonzero(np.diff(row.is_image.astype(int), prepend=0) == 1)
    assert len(runs) == 3
    assert learned(row) == [" left", "</s>", " right", "</s>"]
    assert row.images == ("red", "blue", "green")
    assert row.n_image_tokens == (16, 16, 16)


def test_a_text_only_sample_has_no_image_token():
    row = one(sample("how many?", "two"))
    assert not row.is_image.any()
    assert row.images == ()


def test_letters_spelled_in_bytes_are_learned_whole():
    row = one(sample("say it", "é 😀"))
    assert PROCESSOR.tokenizer.decode(row.input_ids[row.is_answer]) == " é 😀</s>"


def test_special_tokens_in_a_question_end_nothing():
    row = one(sample("what is </s> in HTML?", "a word"))
    assert tokens(row.input_ids).count("</s>") == 1
    assert learned(row) == [" a", " word", "</s>"]


@pytest.mark.parametrize(
    "texts", [("<image>\nis it?", "yes"), ("<image>\nis it?", "yes", "now?", "no"), ("is it?", "no")]
)
def test_ids_are_those_of_transformers_own_chat_template_and_processor(texts):
    images = ("red",) * texts[0].count("<image>")
    conversation = [
        {
            "role": "assistant" if number % 2 else "user",
            "content": [{"type": "image"}] * text.count("<image>")
            + [{"type": "text", "text": text.removeprefix("<image>\n")}],
        }
        for number, text in enumerate(texts)
    ]
    text = PROCESSOR.apply_chat_template(conversation, tokenize=False)
    pictures = [Image.new("RGB", (70, 40), name) for name in images] or None
    expected = PROCESSOR(images=pictures, text=text)["input_ids"]
    assert one(sample(*texts, images=images)).input_ids.tolist() == np.ravel(expected).tolist()


def test_the_mask_is_that_of_the_templates_generation_marks():
    row = sample("is it red?", "yes", "and blue?", "no")
    conversation = [{"role": turn.role, "content": turn.text} for turn in row.turns]
    made = PROCESSOR.tokenizer.apply_chat_template(
        conversation,
        chat_template=PROCESSOR.chat_template,
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    mine = one(row)
    ids, mask = mine.input_ids.tolist(), mine.is_answer.astype(int).tolist()
    assert (ids[1:], mask[1:]) == (made["input_ids"], made["assistant_masks"])


def test_a_question_is_the_prompt_up_to_its_answer_with_true_history():
    questions = encoder().ask(
        [sample("<image>\nis it red?", "yes", "how many <image>?", "two", images=("red", "blue"))]
    )
    assert [question.turn for question in questions] == [1, 3]
    first, second = (question.prompt for question in questions)
    assert tokens(first.input_ids)[-3:] == ["?", " ASSISTANT", ":"]
    assert first.images == ("red",)
    assert second.images == ("red", "blue")
    assert "".join(tokens(second.input_ids)).endswith(
        "ASSISTANT: yes</s>USER: how many" + "<image>" * 16 + "\n? ASSISTANT:"
    )
    whole = one(sample("<image>\nis it red?", "yes", "how many <image>?", "two", images=("red", "blue")))
    assert whole.input_ids[: len(second.input_ids)].tolist() == second.input_ids.tolist()


def test_a_long_answer_is_cut_and_says_so():
    row = sample("say", "one two three four five six seven", name="long")
    full = one(row)
    first = int(np.flatnonzero(full.is_answer)[0])
    (cut,), left_out = encoder(first + 2).encode([row])
    assert cut.is_cut and not left_out
    assert len(cut.input_ids) == first + 2
    assert not full.is_cut


def test_a_sample_whose_cut_would_take_an_image_or_all_of_the_answer_is_left_out_with_a_reason():
    rows = [
        sample("<image>\nis it red?", "yes", images=("red",), name="image cut"),
        sample("is it " + "very " * 30 + "red?", "yes", name="answer cut"),
        sample("is it red?", "yes", name="fits"),
    ]
    kept, left_out = encoder(16).encode(rows)
    assert [row.sample_id for row in kept] == ["fits"]
    assert left_out == {"image cut": Reason.TOO_LONG, "answer cut": Reason.TOO_LONG}


def test_a_question_longer_than_the_limit_is_not_asked_but_counted():
    (question,) = encoder(16).ask([sample("is it " + "very " * 30 + "red?", "yes")])
    assert question.prompt is None


def test_marks_without_images_are_refused():
    with pytest.raises(ModelError, match="2 image marks and 1 images"):
        encoder().encode([sample("<image><image>\nis it red?", "yes", images=("red",))])


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_batch_holds_the_rows_padded_on_one_side(side):
    rows = [
        one(sample("is it red?", "yes")),
        one(sample("<image>\nhow many circles are there?", "two", images=("red",))),
    ]
    batch = collate(rows, PICTURES, pad_id=0, padding_side=side)
    mask = batch["attention_mask"].bool()
    assert batch["input_ids"].shape == (2, len(rows[1].input_ids))
    for number, row in enumerate(rows):
        assert batch["input_ids"][number][mask[number]].tolist() == row.input_ids.tolist()
        assert batch["labels"][number][mask[number]].tolist() == row.labels.tolist()
    assert (batch["labels"][~mask] == -100).all()
    assert bool(mask[0, -1]) is (side == "left")
    assert batch["pixel_values"].shape == (1, 3, 64, 64)


def test_a_batch_of_texts_has_no_pixel_values():
    assert "pixel_values" not in collate([one(sample("is it?", "yes"))], PICTURES, pad_id=0, padding_side="right")


def test_padding_falls_back_to_the_end_token():
    tokenizer = build_processor().tokenizer
    assert pad_token_id(tokenizer) == tokenizer.pad_token_id
    tokenizer.pad_token = None
    assert pad_token_id(tokenizer) == tokenizer.eos_token_id


def test_pixel_values_follow_the_image_tokens_of_the_batch():
    rows = [one(sample("<image>?", "a", images=("red",))), one(sample("<image>?", "b", images=("blue",)))]
    batch = collate(rows, PICTURES, pad_id=0, padding_side="right")
    expected = torch.cat([PICTURES.half(unit).tensors["pixel_values"] for row in rows for unit in row.units])
    assert torch.equal(batch["pixel_values"], expected)
