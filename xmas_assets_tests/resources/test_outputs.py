"""What assets hand to Dagster: pictures small enough to be shown at once."""

import io

import polars as pl
from PIL import Image

from xmas_assets.home.home import Home
from xmas_assets.home.pictures import kept_picture
from xmas_assets.home.stored_tables import stage
from xmas_assets.report.canvas import markdown_image
from xmas_assets.resources.outputs import emit

_SHOWN_AT_ONCE = 1000  # characters of Markdown, in the front end of the pinned Dagster


def test_a_picture_is_shown_at_once_and_links_to_the_whole_one(tmp_path):
    png = io.BytesIO()
    Image.effect_noise((900, 90), 60).save(png, "PNG")
    home, staged = Home.open(tmp_path), stage(tmp_path / "staged", {"t": pl.DataFrame({"x": [1]})})
    value = emit(home, staged, {"picture": markdown_image(png.getvalue())}).metadata["picture"].value
    assert isinstance(value, str)
    assert len(value) < _SHOWN_AT_ONCE
    small, whole = value.removeprefix("[![](").removesuffix(")").split(")](")
    widths = []
    for link in (small, whole):
        path = kept_picture(home, link)
        assert path is not None
        widths.append(Image.open(path).width)
    assert widths == [520, 900]
