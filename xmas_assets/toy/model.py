"""The tiny LLaVA-architecture model: its configuration, tokenizer and processor, from real ``transformers`` classes.

Training it is not here: see ``toy/train.py``. The trained weights are in ``profiles/tiny_base``.
"""

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

IMAGE_SIZE = 64
PATCH_SIZE = 16
SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<image>")

# Each of these is one token, alone and after a space. Anything else is spelled in smaller pieces, down to bytes.
WORDS = """
USER ASSISTANT Answer Are Can Choose Circle Color Colour Count Describe Does Give How If In Is Look Name Of On Please
Say Tell There What Where Which With You a all am an and answer any appear are area as at background be behind big
bigger biggest black block blue bottom bright brown by can canvas center circle circles color colour colours contain
contains corner count cross crosses cyan dark diamond diamonds do does drawing drawn each eight equal exist five fewer
find for four from give gray green grey half has have hexagon how i if image in is it its kind large larger larger
left less light located look lower lie magenta many me middle more most name navy nine no none not number object
objects of olive on one only or orange paint painted part pentagon phrase picture pink place placed please position
present purple quadrant rectangle rectangles red right ring rings same say scene see seen seven shade shape shapes
show shown side single sit sits six size small smaller smallest some square squares star stars teal tell ten than that
the them there thing things this three tone top total triangle triangles two upper us visible what where which white
whole with word yellow yes you
"""

# LLaVA-1.5's conversation; every answer ends with the end token, and only answers are inside ``generation``.
CHAT_TEMPLATE = """\
{%- for message in messages -%}
  {%- if message['content'] is string -%}
    {%- set text = message['content'] -%}
  {%- else -%}
    {%- set parts = namespace(text='') -%}
    {%- for part in message['content'] -%}
      {%- if part['type'] == 'image' -%}
        {%- set parts.text = parts.text + '<image>\n' -%}
      {%- else -%}
        {%- set parts.text = parts.text + part['text'] -%}
      {%- endif -%}
    {%- endfor -%}
    {%- set text = parts.text -%}
  {%- endif -%}
  {%- if message['role'] == 'assistant' -%}
    {{- 'ASSISTANT:' -}}
    {%- generation -%}
      {{- ' ' + text + '</s>' -}}
    {%- endgeneration -%}
  {%- elif message['role'] == 'user' -%}
    {{- 'USER: ' + text + ' ' -}}
  {%- else -%}
    {{- text + ' ' -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- 'ASSISTANT:' -}}
{%- endif -%}
"""


def build_model(
    processor: LlavaProcessor, *, seed: int, width: int = 96, n_layers: int = 3
) -> LlavaForConditionalGeneration:
    """Make the model with random weights (float32), fitting the processor's vocabulary and image size.

    Args:
        processor: Whose tokenizer and image size it fits.
        seed: Seed of the weights.
        width: Hidden size of the language model, a multiple of 8; the vision tower is the same for all.
        n_layers: Layers of the language model.
    """
    tokenizer = processor.tokenizer
    vision = CLIPVisionConfig(
        image_size=IMAGE_SIZE,
        patch_size=PATCH_SIZE,
        hidden_size=96,
        intermediate_size=384,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=96,
        initializer_factor=2.0,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=width * 4 // 3,
        num_hidden_layers=n_layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        initializer_range=0.1 * (96 / width) ** 0.5,  # a wider layer adds up more terms
        max_position_embeddings=2048,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=processor.image_token_id,
        image_seq_length=(IMAGE_SIZE // PATCH_SIZE) ** 2,
        vision_feature_layer=-1,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlavaForConditionalGeneration(config)
    return model.eval()


def build_processor() -> LlavaProcessor:
    """Make tokenizer, image processor (any picture is squeezed to 64 x 64) and chat template."""
    images = CLIPImageProcessorPil(
        size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        crop_size={"height": IMAGE_SIZE, "width": IMAGE_SIZE},
        do_center_crop=False,
    )
    return LlavaProcessor(
        image_processor=images,
        tokenizer=build_tokenizer(),
        patch_size=PATCH_SIZE,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    )


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Make a byte-level BPE tokenizer: it encodes and gives back any text, and knows ``WORDS`` as single tokens."""
    tokenizer = train_tokenizer(SPECIAL_TOKENS)
    bos = tokenizer.token_to_id("<s>")
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", bos)]),
        ]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        extra_special_tokens={"image_token": "<image>"},
        model_max_length=2048,
        clean_up_tokenization_spaces=False,
    )


def train_tokenizer(special_tokens: Sequence[str], *, more_words: Sequence[str] = ()) -> Tokenizer:
    """Learn ``WORDS`` and ``more_words``, down to bytes; special tokens have the ids 0, 1, 2, ... in their order."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=4096,
        min_frequency=1,
        special_tokens=list(special_tokens),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    forms = [form for word in WORDS.split() for form in (word, " " + word)]
    tokenizer.train_from_iterator([*forms, *more_words], trainer)
    return tokenizer
