import io

from PIL import Image

from xmas_assets.data import image_check
from xmas_assets.data.registration import Registration
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
