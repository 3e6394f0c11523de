from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image

from xmas_assets.contracts.errors import ModelError
from xmas_assets.toy.model import build_processor
from xmas_assets.vlm.image_inputs import Pictures

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


def test_pixels_are_the_processors_own_in_order(open_image):
    processor = build_processor()
    pixels = Pictures(processor, open_image).pixels(["10", "200"], ["a", "b"])
    expected = processor.image_processor([open_image("10"), open_image("200")], return_tensors="pt")["pixel_values"]
    assert torch.equal(pixels, expected)


def test_a_picture_is_opened_once_whatever_its_name(open_image, opened):
    pictures = Pictures(build_processor(), open_image)
    first = pictures.pixels(["10", "10"], ["same", "same"])
    again = pictures.pixels(["20"], ["same"])
    assert opened == {"10": 1}
    assert torch.equal(first[:1], again)


def test_kept_pictures_stay_within_the_limit_and_the_rest_is_made_again_alike(open_image, opened):
    pictures = Pictures(build_processor(), open_image, limit_bytes=2 * ONE_PICTURE_BYTES)
    first = pictures.pixels(["1"], ["a"])
    pictures.pixels(["2", "3"], ["b", "c"])
    assert torch.equal(pictures.pixels(["1"], ["a"]), first)
    assert opened == {"1": 2, "2": 1, "3": 1}


def test_tokens_need_no_picture_where_all_pictures_get_the_same(open_image, opened):
    processor = build_processor()
    assert Pictures(processor, open_image).tokens("10", "a") == (processor.image_token_id,) * 16
    assert not opened


def test_a_picture_with_transparency_is_read_as_rgb():
    pixels = Pictures(build_processor(), lambda *_: Image.new("LA", (20, 20), (90, 10))).pixels(["x"], ["h"])
    assert pixels.shape == (1, 3, 64, 64)


def test_a_family_that_needs_more_than_pixel_values_is_refused(open_image):
    processor = build_processor()

    class WithSizes:
        image_token = processor.image_token

        def __call__(self, **inputs):
            return processor(**inputs) | {"image_sizes": torch.tensor([[64, 64]])}

    with pytest.raises(ModelError, match="image_sizes"):
        Pictures(WithSizes(), open_image)
