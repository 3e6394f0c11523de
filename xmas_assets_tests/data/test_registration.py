from pathlib import Path

import pytest
import yaml

from xmas_assets.contracts.errors import DatasetError, SettingsError
from xmas_assets.data.plain_yaml import read_yaml
from xmas_assets.data.registration import Registration
from xmas_assets_tests.data.making import record, write


@pytest.fixture
def source(tmp_path):
    return write(tmp_path, [record()])


def saved(home: Path, text: str, name: str = "pets") -> Path:
    return write(home / "datasets", text, f"{name}.yaml")


def test_a_registration_survives_saving_and_loading(tmp_path, source):
    registration = Registration.create(
        "pets",
        [source],
        test=[tmp_path / "test.json"],
        images=tmp_path / "images",
        format="llava_json",
        overrides={"proxy": {"epochs": 2}},
        duplicates="quarantine",
    )
    path = registration.save(tmp_path / "home")
    assert path == tmp_path / "home" / "datasets" / "pets.yaml"
    assert Registration.load(path) == registration == Registration.named(tmp_path / "home", "pets")


def test_the_file_is_plain_yaml_that_a_person_can_edit(tmp_path, source):
    path = Registration.create("pets", [source]).save(tmp_path)
    assert yaml.safe_load(path.read_text()) == {
        "name": "pets",
        "annotations": [str(source)],
        "test": [],
        "validation": [],
        "images": None,
        "format": None,
        "profile": "toy",
        "overrides": {},
        "benchmarks": [],
        "duplicates": "keep",
        "exclude_contaminated": False,
        "grown": [],
        "columns": None,
        "task_from": None,
        "generated": None,
    }


def test_relative_paths_are_stored_absolute(tmp_path, source, monkeypatch):
    monkeypatch.chdir(tmp_path)
    registration = Registration.create("pets", [Path("train.json")], images="images", profile="my.yaml")
    assert registration.annotations == (source,)
    assert registration.images == tmp_path / "images"
    assert registration.profile == str(tmp_path / "my.yaml")


BAD_NAMES = [
    "x'; DROP TABLE--",
    '"a"."b"',
    "../x",
    "/x",
    "a/b",
    "x" * 300,
    "con",
    "CON",
    "nul.txt",
    "\N{GRINNING FACE}",
    "",
    "a|b",
    "A",
    ".x",
    "a\nb",
    "a..b",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_no_folder_key_or_tag_can_carry_is_refused(tmp_path, source, name):
    with pytest.raises(SettingsError, match="dataset name .* is not allowed; use 1 to 64") as caught:
        Registration.create(name, [source])
    assert "\n" not in str(caught.value)
    with pytest.raises(SettingsError):
        Registration.path(tmp_path, name)
    with pytest.raises(SettingsError):
        Registration.named(tmp_path, name)
    assert [path.name for path in tmp_path.rglob("*")] == ["train.json"]


def test_python_objects_in_yaml_are_refused_and_not_made(tmp_path):
    marker = tmp_path / "made"
    path = saved(tmp_path, f"name: !!python/object/apply:os.system ['touch {marker}']\n")
    with pytest.raises(SettingsError, match="not plain YAML .*python/object"):
        Registration.load(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: pets\nannotations: [/a]\ncolour: red\n", "colour: Extra inputs are not permitted.*the fields are name"),
        ("name: pets\n", "annotations: Field required"),
        ("name: pets\nannotations: []\n", "annotations: .*at least 1 item"),
        ("name: pets\nannotations: [a.json]\n", "annotations: paths must be absolute"),
        ("name: pets\nannotations: [/a, /a]\n", "a file is listed twice"),
        ("name: pets\nannotations: [/a]\ntest: [/a]\n", "a file is listed twice"),
        ("name: pets\nannotations: [/a]\nformat: csv\n", "format: Input should be 'llava_json'.*got 'csv'"),
        ("name: 7\nannotations: [/a]\n", "name: Input should be a valid string, got 7"),
        ("name: dogs\nannotations: [/a]\n", "name 'dogs' differs from the file's name"),
        ("[1, 2]\n", "holds a list, must hold 'name: value' lines"),
        ("name: [unclosed\n", "not plain YAML"),
        ("1: 2\n", "must hold 'name: value' lines"),
    ],
)
def test_a_wrong_registration_is_refused_in_one_line_that_names_the_field(tmp_path, text, said):
    with pytest.raises(SettingsError, match=said) as caught:
        Registration.load(saved(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert "pets.yaml" in str(caught.value)


def test_a_yaml_bomb_ends_in_one_short_line(tmp_path):
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    with pytest.raises(SettingsError) as caught:
        Registration.load(saved(tmp_path, "\n".join([*lines, "name: pets", "annotations: *i"])))
    assert len(str(caught.value)) < 2000


def test_a_settings_file_that_is_missing_or_binary_or_huge_is_refused(tmp_path):
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "huge.yaml").write_text("# " + "x" * 1_000_001)
    for name, said in (("none", "No such file"), ("binary", "cannot be read"), ("huge", "larger than 1000000 bytes")):
        with pytest.raises(SettingsError, match=said):
            read_yaml(tmp_path / f"{name}.yaml")


def test_registrations_are_listed_by_name_and_temporary_files_are_not(tmp_path, source):
    for name in ("pets", "birds"):
        Registration.create(name, [source]).save(tmp_path)
    (tmp_path / "datasets" / ".pets.yaml.x.tmp").touch()
    (tmp_path / "datasets" / ".hidden.yaml").touch()
    assert Registration.names(tmp_path) == ["birds", "pets"]
    assert Registration.names(tmp_path / "none") == []


def test_an_unregistered_dataset_is_refused_with_the_registered_ones(tmp_path, source):
    Registration.create("pets", [source]).save(tmp_path)
    with pytest.raises(
        SettingsError, match="dataset 'dogs' is not registered; use one of pets, or register it with: xmas dataset add"
    ):
        Registration.named(tmp_path, "dogs")


def test_a_missing_source_is_told_when_it_is_hashed(tmp_path):
    with pytest.raises(DatasetError, match="does not exist"):
        Registration.create("pets", [tmp_path / "none.json"]).source_hashes()


def test_validation_files_change_nothing_of_the_source_and_stand_in_for_its_records(tmp_path, source):
    validation = write(tmp_path / "elsewhere", b"[]", "validation.json")
    registration = Registration.create("pets", [source], test=[tmp_path / "test.json"], validation=[validation])
    without = Registration.create("pets", [source], test=[tmp_path / "test.json"])
    (tmp_path / "test.json").write_text("[]")
    assert registration.source_hashes() == without.source_hashes()
    of_validation = registration.of_validation()
    assert (of_validation.annotations, of_validation.test) == ((validation,), ())
    with pytest.raises(SettingsError, match="listed twice in annotations, test and validation"):
        Registration.create("pets", [source], validation=[source])


def test_a_dataset_without_validation_files_is_told_how_to_give_them(source):
    with pytest.raises(DatasetError, match=r"'pets' has no validation records.*write 'validation: \[FILE\]' into"):
        Registration.create("pets", [source]).of_validation()


def test_a_missing_validation_file_is_told_before_anything_is_read(tmp_path, source):
    with pytest.raises(DatasetError, match=r"none\.json"):
        Registration.create("pets", [source], validation=[tmp_path / "none.json"]).check_sources()
