from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from xmas_assets.toy.model import build_processor
from xmas_assets.vlm.image_inputs import Pictures, Unit, join_images
from xmas_assets.vlm.loading import load_processor
from xmas_assets_tests.families import FAMILIES

ONE_PICTURE_BYTES = 3 * 64 * 64 * 4


@pytest.fixture
def opened() -> Counter[str]:
    return Counter()


@pytest.fixture
def open_image(opened):
    def open_one(reference: str, content_hash: str = "") -> Image.Image:
        opened[reference] += 1
        shade = int(reference)
        return Image.fromarray(np.full((30, 50, 3), shade, dtype=np.uint8))

    return open_one


def unit(reference: str, content_hash: str) -> Unit:
    return Unit((reference,), (content_hash,))


def pixels(pictures: Pictures, *units: Unit) -> torch.Tensor:
    return pictures.inputs(units)["pixel_values"]


def test_pixels_are_the_processors_own_in_order(open_image):
    processor = build_processor()
    found = pixels(Pictures(processor, open_image), unit("10", "a"), unit("200", "b"))
    expected = processor.image_processor([open_image("10"), open_image("200")], return_tensors="pt")["pixel_values"]
    assert torch.equal(found, expected)


def test_a_picture_is_opened_once_whatever_its_name(open_image, opened):
    pictures = Pictures(build_processor(), open_image)
    first = pixels(pictures, unit("10", "same"), unit("10", "same"))
    again = pixels(pictures, unit("20", "same"))
    assert opened == {"10": 1}
    assert torch.equal(first[:1], again)


def test_kept_pictures_stay_within_the_limit_and_the_rest_is_made_again_alike(open_image, opened):
    pictures = Pictures(build_processor(), open_image, limit_bytes=2 * ONE_PICTURE_BYTES)
    first = pixels(pictures, unit("1", "a"))
    pixels(pictures, unit("2", "b"), unit("3", "c"))
    assert torch.equal(pixels(pictures, unit("1", "a")), first)
    assert opened == {"1": 2, "2": 1, "3": 1}


def test_tokens_need_no_picture_where_all_pictures_get_the_same(open_image, opened):
    assert Pictures(build_processor(), open_image).describe(unit("10", "a")) == (("<image>" * 16,), (None,))
    assert not opened


def test_an_image_that_memory_does_not_keep_is_prepared_only_if_its_size_is_new(tmp_path, monkeypatch):
    """Nine images of 64 x 48 and one of 48 x 64; the first fills more than half of the memory."""
    processor = load_processor(FAMILIES["qwen2_vl"](tmp_path))
    sizes = {str(number): (64, 48) for number in range(9)} | {"tall": (48, 64)}
    pictures = Pictures(processor, lambda name, _: Image.new("RGB", sizes[name]), limit_bytes=1)
    prepared: list[tuple[int, int]] = []
    prepare = pictures._preparer.prepare

    def counting(images):
        prepared.extend(image.size for image in images)
        return prepare(images)

    monkeypatch.setattr(pictures._preparer, "prepare", counting)
    described = {name: pictures.describe(unit(name, name)) for name in sizes}
    assert prepared == [(64, 48), (48, 64)]
    for name, found in described.items():
        assert found is not None and found.written == pictures.half(unit(name, name)).written


def test_smaller_images_are_filled_with_zeros_up_to_the_largest():
    """Two images of 2 x 2 tiles and one of 1 x 3: axis 0 counts images, inner axes grow to (2, 3)."""
    small, wide = torch.ones(2, 2, 2), torch.full((1, 1, 3), 7.0)
    joined = join_images([{"tiles": small, "n": torch.tensor([4, 4])}, {"tiles": wide, "n": torch.tensor([3])}])
    assert joined["n"].tolist() == [4, 4, 3]
    assert joined["tiles"].tolist() == [[[1, 1, 0], [1, 1, 0]]] * 2 + [[[7, 7, 7], [0, 0, 0]]]


def test_a_picture_with_transparency_is_read_as_rgb():
    found = pixels(Pictures(build_processor(), lambda *_: Image.new("LA", (20, 20), (90, 10))), unit("x", "h"))
    assert found.shape == (1, 3, 64, 64)
