"""The folder of images that an export into JSON writes when its source holds the images as bytes."""

import hashlib
import json

import pytest

from xmas_assets.contracts.errors import OutputError
from xmas_assets.data.inputs import Inputs
from xmas_assets.data.registration import Registration
from xmas_assets_tests.data.export_world import World, link
from xmas_assets_tests.data.making import exported, picture, record, talk, write


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.fixture
def pictured(world):
    """A Parquet dataset with a picture's bytes, as a function that exports it as ``pictured.json`` with its images."""
    images = world.data / "images"
    records = [record(image="a.json", conversations=talk("<image> What?", "A cat."))]
    source = Registration.create("source", [write(world.root, records, "p.json")], images=images)
    exported(source, [(0, 0)], world.root / "p.parquet", "parquet")
    parquet = Registration.create("parquet", [world.root / "p.parquet"])
    inputs = Inputs.of_home(world.home)

    def export(places=((0, 0),), **options):
        return exported(parquet, places, world.root / "pictured.json", "llava_json", inputs=inputs, **options)

    return export


PICTURE = f"{hashlib.sha256(picture()).hexdigest()[:2]}/{hashlib.sha256(picture()).hexdigest()}.png"


def test_images_are_next_to_the_export_and_exported_again_over_themselves(world, pictured):
    for _ in range(2):
        content = json.loads(pictured())
        assert content[0]["image"] == f"pictured_images/{PICTURE}"
        assert (world.root / "pictured_images" / PICTURE).read_bytes() == picture()
    (world.root / "pictured_images" / PICTURE).unlink()
    pictured()
    assert (world.root / "pictured_images" / PICTURE).read_bytes() == picture()


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda world: link(world.root / "pictured_images", world.data / "images"), "is not a directory of its own"),
        (lambda world: write(world.root, b"mine", "pictured_images"), "is not a directory of its own"),
        (lambda world: write(world.root, b"mine", f"pictured_images/{PICTURE}"), "with other content"),
    ],
)
def test_a_folder_of_images_that_is_not_ours_is_refused_and_nothing_is_touched(world, pictured, make, said, force):
    make(world)
    before = world.state()
    with pytest.raises(OutputError, match=said if force else "pictured_images' is there already, with other files"):
        pictured(force=force)
    assert world.state() == before


def test_an_images_folder_of_others_is_added_to_only_by_force(world, pictured):
    other = write(world.root, b"mine", "pictured_images/other.png")
    with pytest.raises(OutputError, match="is there already, with other files"):
        pictured()
    assert [path.name for path in other.parent.iterdir()] == ["other.png"]
    pictured(force=True)
    assert other.read_bytes() == b"mine"


def test_images_of_an_export_that_fails_are_taken_away_again(world, pictured):
    def places():  # asked for after the paths were checked
        write(world.root, b"written meanwhile", "pictured.json")
        yield 0, 0

    before = world.state()
    with pytest.raises(OutputError, match="appeared while it was being written"):
        pictured(places())
    assert (world.root / "pictured.json").read_bytes() == b"written meanwhile"
    (world.root / "pictured.json").unlink()
    assert world.state() == before
