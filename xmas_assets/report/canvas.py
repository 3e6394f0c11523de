"""One look for all pictures: size, type, colours that colour-blind readers can tell apart, reproducible PNG bytes."""

import base64
import io
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from PIL import Image

from xmas_assets.report.text import Markdown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe & Ito's palette ("Color Universal Design", 2008) without black and with yellow last, being weak on white.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442")
GREY = "#8A8A8A"
INK = "#222222"
LINES = ("-", "--", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

_WIDTH_INCHES = 8.0  # shown at 800 px, where 10 pt type is 14 px high
_DPI = 160
WIDTH_PIXELS = 1280
DIALOG_PIXELS = 960  # what Dagster's metadata dialog shows whole in a window of 1280; it does not scale pictures down
_STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that a picture is the same on every machine
    "font.size": 10,
    "figure.labelsize": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


def draw(paint: Callable[["Figure"], None], *, height: float) -> bytes:
    """PNG bytes, 1280 pixels wide, of what ``paint`` puts on an empty figure ``height`` inches high.

    A character that the font lacks is drawn as a box.
    """
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    buffer = io.BytesIO()
    with style.context(["default", _STYLE]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(_WIDTH_INCHES, height), dpi=_DPI, layout="constrained")
        paint(figure)
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def data_uri(png: bytes) -> str:
    """The picture as text that needs no other file."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def markdown_image(png: bytes, *, limit_bytes: int = 500_000) -> Markdown:
    """The picture as inline Markdown for Dagster metadata, at most as wide as its dialog and as large as the limit."""
    image = Image.open(io.BytesIO(png))
    while image.width > DIALOG_PIXELS or len(png) > limit_bytes:
        width = DIALOG_PIXELS if image.width > DIALOG_PIXELS else max(1, image.width * 3 // 4)
        image = image.convert("RGB")
        image.thumbnail((width, image.height), Image.Resampling.LANCZOS)
        png = _png(image)
    return Markdown(f"![]({data_uri(png)})")


def narrowed(png: bytes, *, width: int = 520) -> bytes:
    """The picture, at most as wide as an asset's page of Dagster shows on a small screen."""
    image = Image.open(io.BytesIO(png))
    if image.width <= width:
        return png
    image = image.convert("RGB")
    image.thumbnail((width, image.height), Image.Resampling.LANCZOS)
    return _png(image)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
