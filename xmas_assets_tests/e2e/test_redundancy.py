"""How well the measures find the generator's own groups again, in the base model's embeddings of real pictures."""

import pytest

from xmas_assets.data.registration import Registration
from xmas_assets.orchestration.selection_runs import bring_up_to_date
from xmas_assets.stages.redundancy import measure_dataset
from xmas_assets.toy.dataset import SyntheticSettings, generate
from xmas_assets_tests.e2e.platforms import open_platform


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """600 rows, 88 % of them in groups of one scene drawn again and one question in other words, or none."""
    home = tmp_path_factory.mktemp("home")
    platform = open_platform(home)
    found = {}
    for size in (1, 8):
        folder = home / "data" / str(size)
        shares = {"same_both": float(size > 1), "same_image": 0.0, "same_question": 0.0}
        generate(SyntheticSettings(n_train=600, n_test=8, group_size=max(size, 2), **shares), folder)
        Registration.create(f"g{size}", [folder / "train.json"], images=folder).save(home)
        bring_up_to_date(platform, f"g{size}", "clip_embeddings", say=lambda line: None)
        found[size] = measure_dataset(platform.home, f"g{size}")["image_and_text"]
    return found


@pytest.mark.slow
def test_groups_of_near_duplicates_are_found_in_the_base_models_embeddings(measured):
    assert measured[1].duplicate_mass < 0.1 < 0.6 < measured[8].duplicate_mass < 0.9
    assert measured[1].group_size < 3 < 4 < measured[8].group_size < 10
    assert measured[8].neighbour_distance < 0.75 * measured[1].neighbour_distance
