"""Codes of what pictures look like: which changes of a picture they survive, and which pictures have none."""

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from sklearn.datasets import load_sample_images

from xmas_assets.data.perceptual import CODE_BYTES, NEAR_BITS, perceptual_code


@pytest.fixture(scope="module", params=[0, 1], ids=["temple", "flower"])
def photo(request) -> Image.Image:
    return Image.fromarray(load_sample_images().images[request.param])


def encoded(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def cropped(image: Image.Image, share: float) -> Image.Image:
    left, top = int(image.width * share), int(image.height * share)
    return image.crop((left, top, image.width - left, image.height - top))


def bits_between(one: Image.Image, other: Image.Image) -> int:
    codes = [np.frombuffer(perceptual_code(image) or b"", np.uint8) for image in (one, other)]
    assert [len(code) for code in codes] == [CODE_BYTES] * 2
    return int(np.unpackbits(codes[0] ^ codes[1]).sum())


@pytest.mark.parametrize(
    "change",
    [
        lambda image: encoded(image, 90),
        lambda image: encoded(image, 30),
        lambda image: image.resize((image.width // 2, image.height // 2)),
        lambda image: encoded(image.resize((336, 336)), 75),
        lambda image: cropped(image, 0.01),
        lambda image: cropped(image, 0.02),
        lambda image: ImageEnhance.Brightness(image).enhance(1.2),
        lambda image: ImageEnhance.Brightness(image).enhance(0.7),
        lambda image: image.convert("L").convert("RGB"),
    ],
    ids=["jpeg90", "jpeg30", "half", "square", "crop1", "crop2", "brighter", "darker", "grey"],
)
def test_a_changed_picture_is_near(photo, change):
    assert bits_between(photo, change(photo)) <= NEAR_BITS


@pytest.mark.parametrize(
    "change", [ImageOps.mirror, ImageOps.flip, lambda image: cropped(image, 0.2)], ids=["mirrored", "flipped", "crop20"]
)
def test_a_picture_turned_round_or_cut_to_its_middle_is_not_near(photo, change):
    assert bits_between(photo, change(photo)) > NEAR_BITS


def test_two_pictures_are_not_near():
    one, other = (Image.fromarray(pixels) for pixels in load_sample_images().images)
    assert bits_between(one, other) > NEAR_BITS


@pytest.mark.parametrize("colour", ["black", "white", "grey", (200, 30, 30)])
def test_a_picture_of_one_colour_has_no_code_however_it_is_encoded(colour):
    image = Image.new("RGB", (120, 80), colour)
    assert perceptual_code(image) is None
    assert perceptual_code(encoded(image, 40)) is None


def test_an_even_gradient_and_faint_noise_have_no_code():
    gradient = np.tile(np.linspace(0, 255, 128), (128, 1)).astype(np.uint8)
    noise = np.random.default_rng(0).normal(128, 3, (128, 128)).astype(np.uint8)
    assert [perceptual_code(Image.fromarray(pixels).convert("RGB")) for pixels in (gradient, noise)] == [None, None]
