import hashlib
import io

import pytest
from PIL import Image

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.data import image_check
from xmas_assets.data.image_check import CheckedImage, ImageCheck, SeenImage, look_at
from xmas_assets.data.images import ImageRoot
from xmas_assets.data.registration import Registration
from xmas_assets.files.whole import stamp_of
from xmas_assets_tests.data.making import image_root, picture, read, read_records_of, record, seen, write


def test_images_of_the_same_bytes_under_two_names_are_reported(tmp_path):
    root = image_root(tmp_path, b_png=picture())
    result = read_records_of(tmp_path, [seen(id="1"), seen(id="2", image="b.png")], images=root)
    assert len(result.samples) == 2
    assert result.ledger.notices["same_image"] == 1
    assert result.ledger.notices["same_content"] == 1


def test_notices_tell_of_animations_and_text_only_rows(tmp_path):
    stream = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    root = image_root(tmp_path, b_gif=stream.getvalue())
    result = read_records_of(tmp_path, [seen(image="b.gif"), record(id="b")], images=root)
    assert result.ledger.notices == {"image_animated": 1, "text_only": 1}


def test_the_result_does_not_depend_on_the_number_of_workers(tmp_path):
    root = image_root(tmp_path, **{f"i{index}_png": picture(size=(8 + index, 8)) for index in range(20)})
    records = [seen(id=str(index), image=f"i{index % 25}.png") for index in range(60)]
    serial = read_records_of(tmp_path, records, images=root)
    path = write(tmp_path, records)
    threaded = read(Registration.create("made", [path], images=root), workers=8)
    assert serial == threaded
    assert serial.ledger.reasons == {"image_missing": 10}


def test_each_image_is_decoded_once(tmp_path, monkeypatch):
    decoded = []
    monkeypatch.setattr(image_check, "decode_rgb", lambda data: decoded.append(data) or (None, ()))
    read_records_of(tmp_path, [seen(id=str(index)) for index in range(3000)], images=image_root(tmp_path))
    assert len(decoded) == 1


def test_what_was_seen_before_is_taken_over_in_its_turn_where_the_file_has_the_same_stamp(tmp_path):
    root = image_root(tmp_path, b_png=picture("blue"), c_png=picture("green"))
    images = ImageRoot(root)
    told = {name: CheckedImage(name, name * 3, ()) for name in ("a.png", "b.png", "c.png")}
    stamps = {name: stamp_of(images.status(name)) for name in told}
    earlier = [SeenImage("a.png", stamps["a.png"], told["a.png"]), SeenImage("b.png", "1:1", told["b.png"])]
    earlier += [SeenImage("none.png", "", None), SeenImage("c.png", stamps["c.png"], told["c.png"])]
    check = ImageCheck(images, None, workers=1, seen=earlier)
    asked = ["a.png", picture(), "b.png", "none.png", "c.png"]
    check.prepare(asked[:1])
    with pytest.raises(DatasetError):
        check.prepare(asked[1:2])  # bytes, and no folder for them
    check.prepare(asked[2:])
    assert [check.result(name) for name in ("a.png", "c.png")] == [told["a.png"], told["c.png"]]
    assert check.result("b.png").sha256 == hashlib.sha256(picture("blue")).hexdigest()
    assert check.result("none.png").reason == "image_missing"
    shuffled = ImageCheck(images, None, workers=1, seen=earlier)
    shuffled.prepare(["c.png", "a.png"])
    assert shuffled.result("c.png").sha256 == hashlib.sha256(picture("green")).hexdigest()


def test_what_is_seen_of_a_file_that_has_just_changed_is_not_relied_on(tmp_path):
    images = ImageRoot(image_root(tmp_path))
    assert look_at(images, "a.png") == SeenImage("a.png", stamp_of(images.status("a.png")), None)
