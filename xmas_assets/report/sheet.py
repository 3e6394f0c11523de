"""A picture laid out by hand, without a plotting library: a fifth of the time, for those that every selection has."""

import io
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from xmas_assets.report.canvas import INK, WIDTH_PIXELS

_PIXELS_PER_POINT = WIDTH_PIXELS / 8.0 / 72  # as in plots, which are 8 inches wide


class Sheet:
    """White paper, 1280 units wide, on which text, boxes and images are put at given places.

    Args:
        height: In units.
        width_pixels: How wide it is drawn; everything on it is drawn larger or smaller with it.
    """

    def __init__(self, height: float, *, width_pixels: int = WIDTH_PIXELS) -> None:
        self._scale = width_pixels / WIDTH_PIXELS
        self._image = Image.new("RGB", (width_pixels, self._at(height)), "white")
        self._draw = ImageDraw.Draw(self._image)

    def text(
        self,
        place: tuple[float, float],
        text: str,
        *,
        points: float = 10,
        anchor: str = "la",
        bold: bool = False,
        colour: str = INK,
    ) -> None:
        """One line of text; ``anchor`` says which of its points is put at the place, as in Pillow."""
        font = _font(points * self._scale, bold=bold)
        self._draw.text((self._at(place[0]), self._at(place[1])), text, fill=colour, font=font, anchor=anchor)

    def box(self, left: float, top: float, right: float, bottom: float, *, colour: str) -> None:
        """A filled box; at least a pixel wide and high."""
        corner = self._at(left), self._at(top)
        opposite = (max(corner[0], self._at(right) - 1), max(corner[1], self._at(bottom) - 1))
        self._draw.rectangle((corner, opposite), fill=colour)

    def image(self, left: float, top: float, side: float, image: Image.Image) -> None:
        """An image in the middle of a square, as large as fits into it; enlarged in visible pixels."""
        size = self._at(side)
        small = image.convert("RGB")
        small.thumbnail((size, size))
        small = ImageOps.contain(small, (size, size), Image.Resampling.NEAREST)
        corner = (self._at(left) + (size - small.width) // 2, self._at(top) + (size - small.height) // 2)
        self._image.paste(small, corner)

    def png(self) -> bytes:
        """The picture."""
        buffer = io.BytesIO()
        self._image.save(buffer, "PNG")
        return buffer.getvalue()

    def _at(self, units: float) -> int:
        return round(units * self._scale)


def text_width(text: str, *, points: float = 10) -> float:
    """How wide a line of text is on a sheet, in units."""
    return _font(points, bold=False).getlength(text)


@cache
def _font(points: float, *, bold: bool) -> ImageFont.FreeTypeFont:
    import matplotlib

    # It comes with matplotlib, so that a picture is the same on every machine; so does the plain layout of letters.
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"DejaVuSans{'-Bold' if bold else ''}.ttf"
    return ImageFont.truetype(path, points * _PIXELS_PER_POINT, layout_engine=ImageFont.Layout.BASIC)
