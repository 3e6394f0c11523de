"""The tiny families are whole directories that the auto classes load offline."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

from xmas_assets_tests.families import FAMILIES, REFUSED, WITH_TORCHVISION

BUILDERS = FAMILIES | WITH_TORCHVISION | REFUSED
#: The type where it is not the family's name.
TYPES = {"paligemma2": "paligemma", "pixtral": "llava", "blip2_t5": "blip-2", "blip2_opt": "blip-2"}
WITHOUT_TEMPLATE = {"paligemma", "paligemma2", "blip2_t5", "blip2_opt"}
#: Tokens of pictures that the head cannot write.
N_UNWRITTEN = {"mllama": 1, "molmo2": 10}
#: What a template makes of one turn with a picture, as the families' cards show it.
PROMPTS = {
    "llava": "USER: <image>\nHow many? ASSISTANT:",
    "llava_next": "[INST] <image>\nHow many? [/INST]",
    "llava_onevision": "<|im_start|>user <image>\nHow many?<|im_end|><|im_start|>assistant\n",
    "qwen2_vl": "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
    "<|vision_start|><|image_pad|><|vision_end|>How many?<|im_end|>\n<|im_start|>assistant\n",
    "qwen3_vl": "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>How many?<|im_end|>\n"
    "<|im_start|>assistant\n",
    "smolvlm": "<|im_start|>User:<image>How many?<end_of_utterance>\nAssistant:",
    "idefics3": "<|begin_of_text|>User:<image>How many?<end_of_utterance>\nAssistant:",
    "internvl": "<|im_start|>user\n<IMG_CONTEXT>\nHow many?<|im_end|>\n<|im_start|>assistant\n",
    "gemma3": "<bos><start_of_turn>user\n<start_of_image>How many?<end_of_turn>\n<start_of_turn>model\n",
    "mistral3": "<s>[SYSTEM_PROMPT]You are a helpful assistant.[/SYSTEM_PROMPT][INST][IMG]How many?[/INST]",
    "pixtral": "<s>[INST][IMG]How many?[/INST]",
    "glm4v": "[gMASK]<sop><|user|>\n<|begin_of_image|><|image|><|end_of_image|>How many?<|assistant|>\n<think>",
    "ovis2": "<|im_start|>user\n<image>\nHow many?<|im_end|>\n<|im_start|>assistant\n",
    "aya_vision": "<BOS_TOKEN><|START_OF_TURN_TOKEN|><|USER_TOKEN|><image>How many?<|END_OF_TURN_TOKEN|>"
    "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|><|START_RESPONSE|>",
    "qwen3_5": "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>How many?<|im_end|>\n"
    "<|im_start|>assistant\n<think>\n\n</think>\n\n",
    "gemma4": "<bos><|turn>user\n<|image|>How many?<turn|>\n<|turn>model\n",
    "lfm2_vl": "<|startoftext|><|im_start|>user\n<image>How many?<|im_end|>\n<|im_start|>assistant\n",
    "llama4": "<|begin_of_text|><|header_start|>user<|header_end|>\n\n<|image|>How many?<|eot|>"
    "<|header_start|>assistant<|header_end|>\n\n",
    "molmo2": "<|image|><|im_start|>user\nHow many?<|im_end|>\n<|im_start|>assistant\n",
    "mllama": "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n<|image|>How many?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
}
PROMPTS["qwen2_5_vl"] = PROMPTS["qwen2_vl"]
TURN = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "How many?"}]}]


@pytest.fixture(scope="module", params=list(BUILDERS))
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def directory(family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return BUILDERS[family](tmp_path_factory.mktemp(family))


def test_the_config_is_of_the_familys_type(family: str, directory: Path):
    config = AutoConfig.from_pretrained(directory)
    assert config.model_type == TYPES.get(family, family)
    assert config.get_text_config().num_hidden_layers in (2, 3)


def test_the_weights_load_whole(directory: Path):
    loaded: Any = AutoModelForImageTextToText.from_pretrained(directory, output_loading_info=True)
    assert not any(loaded[1].values())


def test_the_tokenizer_fits_the_model_and_gives_any_text_back(family: str, directory: Path):
    tokenizer = AutoTokenizer.from_pretrained(directory)
    config = AutoConfig.from_pretrained(directory)
    text = "Größe:  你好\n\nis 3\t</x>"
    encoded = tokenizer(text, add_special_tokens=False)
    assert len(tokenizer) - N_UNWRITTEN.get(family, 0) == config.get_text_config().vocab_size < 5000
    assert tokenizer.decode(encoded["input_ids"]) == text
    assert tokenizer.convert_ids_to_tokens(config.image_token_id) in tokenizer.get_added_vocab()


def test_the_image_processor_loads_or_asks_for_torchvision(family: str, directory: Path):
    backend = "torchvision" if family in WITH_TORCHVISION else "pil"
    if backend == "pil" or find_spec("torchvision"):
        assert AutoImageProcessor.from_pretrained(directory, backend=backend).do_rescale
    else:
        with pytest.raises((ImportError, ValueError), match="[Tt]orchvision"):
            AutoImageProcessor.from_pretrained(directory, backend=backend)


@pytest.mark.parametrize("family", ["llava_next", "llava_onevision", "smolvlm", "idefics3", "internvl", "ovis2"])
def test_a_wide_picture_becomes_three_tiles_and_the_whole(family: str, tmp_path: Path):
    images = AutoImageProcessor.from_pretrained(FAMILIES[family](tmp_path), backend="pil")
    # InternVL's processor asks for tiles; the others cut by themselves.
    options = {"crop_to_patches": True} if family == "internvl" else {}
    pixels = images(Image.new("RGB", (120, 40)), return_tensors="pt", **options)["pixel_values"]
    n_tiles = pixels.shape[:-3].numel()
    assert n_tiles == 3 + 1


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_5", "glm4v"])
def test_a_picture_is_a_grid_of_patches_of_its_shape(family: str, tmp_path: Path):
    images = AutoImageProcessor.from_pretrained(FAMILIES[family](tmp_path), backend="pil")
    seen = images([Image.new("RGB", (128, 32)), Image.new("RGB", (32, 64))], return_tensors="pt")
    # Patches are 8 pixels wide: frames, rows, columns.
    assert seen["image_grid_thw"].tolist() == [[1, 4, 16], [1, 8, 4]]


def test_the_template_writes_the_familys_prompt(family: str, directory: Path):
    tokenizer = AutoTokenizer.from_pretrained(directory)
    assert (tokenizer.chat_template is None) == (family in WITHOUT_TEMPLATE)
    if family not in WITHOUT_TEMPLATE:
        prompt = tokenizer.apply_chat_template(TURN, tokenize=False, add_generation_prompt=True)
        assert prompt == PROMPTS[family]


def test_the_directory_is_small_and_in_the_hubs_form(directory: Path):
    files = {path.name for path in directory.iterdir()}
    assert {"config.json", "model.safetensors", "generation_config.json", "tokenizer.json"} <= files
    classes = [
        json.loads((directory / name).read_text())["processor_class"]
        for name in ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json")
    ]
    assert len(set(classes)) == 1
    assert sum(path.stat().st_size for path in directory.iterdir()) < 1_000_000


def test_the_same_bytes_again_whatever_the_global_generator_is(family: str, directory: Path, tmp_path: Path):
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    again = BUILDERS[family](tmp_path)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert {p.name: p.read_bytes() for p in again.iterdir()} == {p.name: p.read_bytes() for p in directory.iterdir()}


def test_what_is_refused_has_its_reason(tmp_path: Path):
    t5, opt, mllama = (AutoConfig.from_pretrained(REFUSED[name](tmp_path / name)) for name in REFUSED)
    assert [t5.is_encoder_decoder, opt.is_encoder_decoder, mllama.is_encoder_decoder] == [True, False, False]
    assert not any((tmp_path / name / "chat_template.jinja").exists() for name in ("blip2_t5", "blip2_opt"))
    assert mllama.text_config.cross_attention_layers == [1]
