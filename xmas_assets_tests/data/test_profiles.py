import pytest

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.data.profiles import load_settings, profile_names, profile_notes, profile_path
from xmas_assets_tests.data.making import write


def test_every_packaged_profile_is_valid():
    assert {"toy", "llava15_7b"} <= set(profile_names())
    for name in profile_names():
        load_settings(name, {})


@pytest.mark.parametrize("name", profile_names())
def test_a_packaged_profile_says_what_it_is_for_and_where_its_values_come_from(name):
    head = profile_path(name).read_text().splitlines()[:5]
    assert all(line.startswith("# ") for line in head[:4])
    assert [line.partition(":")[0] for line in head[1:4]] == ["# Source", "# Card", "# Memory"]
    assert head[4] == "#"
    notes = profile_notes(name)
    assert notes.purpose.endswith(".")
    assert all(notes)


def test_no_packaged_profile_invents_the_commit_of_its_model():
    for name in profile_names():
        settings = load_settings(name, {})
        assert settings.base_model.revision is settings.target_base.revision is None


def test_llava_is_trained_with_the_published_lora_values_on_an_accelerator():
    settings = load_settings("llava15_7b", {"base_model": {"revision": "0" * 40}})
    assert settings.base_model.source == "llava-hf/llava-1.5-7b-hf"
    assert settings.base_model.revision == "0" * 40
    assert (settings.base_model.device, settings.base_model.dtype) == ("cuda", "bfloat16")
    for training in (settings.proxy, settings.target):
        assert training.lora is not None
        assert (training.lora.rank, training.lora.alpha, training.learning_rate) == (128, 256, 2e-4)
    assert settings.proxy.n_checkpoints == 7


def test_an_override_replaces_one_value_and_leaves_its_neighbours(tmp_path):
    path = write(tmp_path, "proxy: {epochs: 3, batch_size: 8}\nclusters: {n_clusters: 5}\n", "mine.yaml")
    settings = load_settings(str(path), {"proxy": {"epochs": 2}})
    assert (settings.proxy.epochs, settings.proxy.batch_size, settings.clusters.n_clusters) == (2, 8, 5)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"proxy": {"epochs": 0}}, "proxy.epochs: Input should be greater than 0, got 0"),
        ({"proxy": {"epoch": 1}}, "proxy.epoch: Extra inputs are not permitted"),
        ({"proxies": {}}, "proxies: Extra inputs"),
        ({"proxy": 3}, "proxy: .*got 3"),
        ({"base_model": {"device": "tpu"}}, "base_model.device: .*'cpu' or 'cuda'.*got 'tpu'"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line_that_names_its_field(overrides, said):
    with pytest.raises(SettingsError, match=said) as caught:
        load_settings("toy", overrides)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["huge", "../toy", "toy/../toy", ""])
def test_an_unknown_profile_is_refused_with_the_known_ones(name):
    with pytest.raises(SettingsError, match="is not known; .*use one of .*toy.*or the path"):
        load_settings(name, {})


def test_a_profile_file_that_is_missing_or_runs_code_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="No such file"):
        load_settings(str(tmp_path / "none.yaml"), {})
    path = write(tmp_path, "proxy: !!python/object/apply:os.getcwd []\n", "evil.yaml")
    with pytest.raises(SettingsError, match="not plain YAML"):
        load_settings(str(path), {})
