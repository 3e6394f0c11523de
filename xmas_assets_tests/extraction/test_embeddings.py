"""Embeddings by the base model and by a small CLIP: unit length, one look per image, cosines by hand."""

import json

import numpy as np
import pytest
import torch
from transformers import CLIPConfig, CLIPModel, CLIPProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.samples import Sample, Turn
from xmas_assets.contracts.settings import BaseModelSettings, ClipSettings
from xmas_assets.extraction.embeddings import embed_dataset, text_of
from xmas_assets.toy.model import build_tokenizer
from xmas_assets.vlm.loading import load_vlm
from xmas_assets_tests.extraction.worlds import TEXT_ONLY_ROWS, CountingImages, draw, make_samples
from xmas_assets_tests.toy.untrained import build_untrained

N_ROWS = 20


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return build_untrained(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A CLIP of random weights that reads 12 tokens and pictures of 32 x 32."""
    directory = tmp_path_factory.mktemp("clip")
    tokenizer = build_tokenizer()
    sides = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {"vocab_size": len(tokenizer), "max_position_embeddings": 12, **sides}
    text |= {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = CLIPConfig(text_config=text, vision_config={"image_size": 32, "patch_size": 16, **sides})
        CLIPModel(config).save_pretrained(directory)
    images = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(image_processor=images, tokenizer=tokenizer).save_pretrained(directory)
    return directory


def embed(base, workspace, samples=None, *, open_image=draw, **changes):
    table = embed_dataset(
        make_samples(N_ROWS) if samples is None else samples,
        open_image=open_image,
        base=base,
        base_settings=BaseModelSettings(),
        settings=ClipSettings(**{"shard_size": 6} | changes),
        workspace=workspace,
    )
    columns = {name: [] for name in ("image", "text", "score")}
    for batch in table.batches():
        for name, parts in columns.items():
            parts += batch[name].to_pylist()
    return {name: np.array(values, dtype=np.float32) for name, values in columns.items()}


@pytest.mark.parametrize("source", ["base", "clip"])
def test_vectors_have_unit_length_scores_are_cosines_and_text_only_rows_have_no_image(base, clip, tmp_path, source):
    found = embed(base, tmp_path, source=str(clip) if source == "clip" else "base")
    with_image = np.setdiff1d(np.arange(N_ROWS), TEXT_ONLY_ROWS)
    assert np.linalg.norm(found["text"], axis=1) == pytest.approx(1)
    assert np.linalg.norm(found["image"][with_image], axis=1) == pytest.approx(1)
    assert np.isnan(found["image"][list(TEXT_ONLY_ROWS)]).all()
    assert np.isnan(found["score"]).nonzero()[0].tolist() == list(TEXT_ONLY_ROWS)
    cosines = (found["image"].astype(float) * found["text"]).sum(axis=1)[with_image]
    assert found["score"][with_image] == pytest.approx(cosines, abs=1e-6)
    assert len(np.unique(found["score"][with_image])) > 5


def test_the_base_models_vectors_are_means_of_image_tokens_and_of_word_embeddings(base, tmp_path):
    """Against the model asked by hand; of two pictures the mean of their directions, scaled to length 1 again."""
    turns = (Turn("user", "<image><image>what is it"), Turn("assistant", "red"))
    row = Sample("row", turns, ("p", "q"), ("p", "q"))
    found = embed(base, tmp_path, [row])
    vlm = load_vlm(base, BaseModelSettings())
    words = vlm.model.get_input_embeddings().weight
    ids = vlm.processor.tokenizer("what is it\nred", add_special_tokens=False)["input_ids"]
    text = torch.stack([words[token] for token in ids]).mean(0).detach().numpy()
    assert found["text"][0] == pytest.approx(text / np.linalg.norm(text), abs=1e-6)
    directions = []
    for name in ("p", "q"):
        pixels = vlm.processor.image_processor(images=[draw(name)], return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            tokens = vlm.model.get_image_features(pixel_values=pixels).pooler_output[0]
        mean = tokens.mean(0).numpy()
        directions.append(mean / np.linalg.norm(mean))
    both = np.mean(directions, axis=0)
    assert found["image"][0] == pytest.approx(both / np.linalg.norm(both), abs=1e-6)


def test_clip_vectors_are_those_of_the_model_and_a_long_text_is_cut(base, clip, tmp_path):
    long = Sample("long", (Turn("user", "<image>what is it"), Turn("assistant", "red " * 40)), ("p",), ("p",))
    longer = Sample("longer", (long.turns[0], Turn("assistant", "red " * 80)), ("p",), ("p",))
    found = embed(base, tmp_path, [long, longer], source=str(clip))
    assert found["text"][0].tolist() == found["text"][1].tolist()
    model, processor = CLIPModel.from_pretrained(clip).eval(), CLIPProcessor.from_pretrained(clip)
    pixels = processor.image_processor(images=[draw("p")], return_tensors="pt")["pixel_values"]
    ids = processor.tokenizer(text_of(long), truncation=True, max_length=12, return_tensors="pt")
    with torch.inference_mode():
        expected = model(input_ids=ids["input_ids"], attention_mask=ids["attention_mask"], pixel_values=pixels)
    assert found["score"][0] == pytest.approx((expected.image_embeds @ expected.text_embeds.T).item(), abs=1e-6)


def test_each_image_is_opened_once_and_a_killed_run_goes_on(base, tmp_path):
    images = CountingImages()

    def fails(reference, content_hash):
        if sum(images.opened.values()) == 6:
            raise KeyboardInterrupt
        return images(reference, content_hash)

    with pytest.raises(KeyboardInterrupt):
        embed(base, tmp_path, open_image=fails, shard_size=3)
    found = embed(base, tmp_path, open_image=images, shard_size=3)
    assert set(images.opened.values()) == {1}
    assert len(images.opened) == 7
    whole = embed(base, tmp_path / "undisturbed", shard_size=3)
    assert {name: values.tobytes() for name, values in found.items()} == {
        name: values.tobytes() for name, values in whole.items()
    }


@pytest.mark.parametrize("source", ["base", "clip"])
def test_a_rows_values_are_the_same_bytes_in_any_order_of_the_rows(base, clip, tmp_path, source):
    source = str(clip) if source == "clip" else source
    samples = make_samples(N_ROWS)
    straight = embed(base, tmp_path / "a", samples, source=source)
    turned = embed(base, tmp_path / "b", samples[::-1], source=source, shard_size=4)
    assert {name: values[::-1].tobytes() for name, values in turned.items()} == {
        name: values.tobytes() for name, values in straight.items()
    }


def test_what_is_no_clip_model_is_refused(base, clip, tmp_path):
    with pytest.raises(ModelError, match="embeds no texts; give a CLIP model"):
        embed(base, tmp_path, source=str(base))
    with pytest.raises(ModelError, match=r"clip '/no/where' is no directory"):
        embed(base, tmp_path, source="/no/where")
    with pytest.raises(ModelError, match=r"set clip\.revision to a commit"):
        embed(base, tmp_path, source="openai/clip-vit-base-patch32")
    unsafe = tmp_path / "unsafe"
    unsafe.mkdir()
    (unsafe / "config.json").write_text(json.dumps({"model_type": "clip"}))
    (unsafe / "pytorch_model.bin").touch()
    with pytest.raises(ModelError, match="pickled weights"):
        embed(base, tmp_path, source=str(unsafe))


def test_without_any_image_texts_alone_are_embedded(base, tmp_path):
    samples = [make_samples(N_ROWS)[row] for row in TEXT_ONLY_ROWS]
    found = embed(base, tmp_path, samples)
    assert np.isnan(found["score"]).all()
    assert np.linalg.norm(found["text"], axis=1) == pytest.approx(1)
