import base64
import io

import pytest
from PIL import Image

from xmas_assets.report.canvas import COLOURS, DIALOG_PIXELS, markdown_image
from xmas_assets.report.sheets import cluster_sample_figure, task_composition_figure


def pixels(png: bytes, colour: str) -> list[tuple[int, int]]:
    """Where a picture has a colour, as (x, y)."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    wanted = tuple(bytes.fromhex(colour.removeprefix("#")))
    return [(x, y) for y in range(image.height) for x in range(image.width) if image.getpixel((x, y)) == wanted]


@pytest.mark.parametrize("width", [1280, 960])
def test_a_bar_is_as_long_as_its_share(width):
    png = task_composition_figure({"dataset": {"count": 60, "colour": 20, "shape": 20}}, width_pixels=width)
    lengths = []
    for colour in COLOURS[:3]:
        places = pixels(png, colour)
        lowest = max(y for _, y in places)  # below the legend
        lengths.append(sum(y == lowest for _, y in places))
    assert [round(length / sum(lengths), 2) for length in lengths] == [0.6, 0.2, 0.2]


def test_tasks_without_a_colour_of_their_own_are_one_grey_part():
    png = task_composition_figure({"all": {"a": 2, "b": 1, "c": 1}}, n_shown=1)
    grey, named = ([x for x, _ in pixels(png, colour)] for colour in ("#8A8A8A", COLOURS[0]))
    assert max(grey) > max(named)  # behind it
    assert not any(pixels(png, colour) for colour in COLOURS[1:])


def test_no_rows_make_an_empty_bar():
    assert task_composition_figure({"all": {"a": 2}, "none": {}})


@pytest.mark.parametrize(
    ("shape", "covered"), [((40, 20), 0.5), ((20, 40), 0.5), ((900, 900), 1.0), ((1, 700), 1 / 300)]
)
def test_an_image_fills_its_square_and_keeps_its_shape(shape, covered):
    places = pixels(cluster_sample_figure([("one", [(Image.new("RGB", shape, "#0000FF"), "")])]), "#0000FF")
    assert len(places) == pytest.approx(covered * 300 * 300, rel=0.02)


def test_images_of_any_mode_are_shown():
    for mode in ("1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F"):
        assert cluster_sample_figure([("one", [(Image.new(mode, (3, 3)), mode)])])


def test_a_picture_as_wide_as_the_dialog_is_shown_as_it_is():
    png = task_composition_figure({"all": {"a": 1}}, width_pixels=DIALOG_PIXELS)
    shown = markdown_image(png).removeprefix("![](data:image/png;base64,").removesuffix(")")
    assert base64.b64decode(shown) == png
