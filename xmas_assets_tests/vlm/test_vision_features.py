"""Features of images: how often a kept tower runs, and that images give the same together as alone."""

from collections.abc import Iterator, Sequence

import pytest
import torch
from PIL import Image

from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.vlm.image_inputs import Pictures, Unit
from xmas_assets.vlm.loading import Vlm, load_vlm
from xmas_assets.vlm.vision_features import ImageFeatures
from xmas_assets_tests.toy.untrained import build_untrained

N_IMAGES = 20
UNITS = [Unit((f"{number}",), (f"hash {number}",)) for number in range(N_IMAGES)]


@pytest.fixture(scope="module")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> Vlm:
    return load_vlm(build_untrained(tmp_path_factory.mktemp("base"), seed=0), BaseModelSettings())


@pytest.fixture
def pictures(vlm: Vlm) -> Pictures:
    return Pictures(vlm.processor, lambda name, _: Image.new("RGB", (40, 50), (12 * int(name), 90, 200)))


@pytest.fixture
def runs(vlm: Vlm) -> Iterator[list[int]]:
    """Images of each run of the vision tower."""
    counts: list[int] = []
    tower = vlm.model.base_model.vision_tower
    handle = tower.register_forward_hook(lambda _module, given, _output: counts.append(len(given[0])))
    yield counts
    handle.remove()


def shown(vlm: Vlm, features: ImageFeatures, units: Sequence[Unit]) -> torch.Tensor:
    return torch.stack(list(features.inputs(vlm, units)["mm_encoder_outputs"]["image"].pooler_output))


def test_a_kept_tower_sees_sixteen_images_at_once_and_each_one_once(vlm: Vlm, pictures: Pictures, runs: list[int]):
    features = ImageFeatures(of_tower=True).add_all(vlm, [*UNITS, *UNITS[:3]], pictures)
    assert runs == [16, 4]
    features.add_all(vlm, UNITS, pictures)
    assert runs == [16, 4]


def test_finished_features_are_made_image_by_image(vlm: Vlm, pictures: Pictures, runs: list[int]):
    ImageFeatures(of_tower=False).add_all(vlm, UNITS[:3], pictures)
    assert runs == [1, 1, 1]


def test_images_give_the_same_together_as_alone(vlm: Vlm, pictures: Pictures):
    together = shown(vlm, ImageFeatures(of_tower=True).add_all(vlm, UNITS, pictures), UNITS)
    alone = [shown(vlm, ImageFeatures(of_tower=False).add_all(vlm, [unit], pictures), [unit]) for unit in UNITS]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-3)
