"""The explorer of a dataset: one HTML file in which its rows can be looked at, plotting library and pictures inside."""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path

import jinja2
import orjson

from xmas_assets.files.whole import replacing
from xmas_assets.report.canvas import COLOURS, GREY
from xmas_assets.report.text import visible

_SCRIPT = "explorer.js"
_TEMPLATE = "explorer.html.jinja"
MOST_SHAPES = 5_000  # rows that are drawn one by one; of more, a map would be slow


def write_explorer(path: Path, dataset: str, data: Mapping[str, object], *, by_webgl: bool = False) -> None:
    """Write ``explorer.html``; the old one stays until the new one is complete. Same inputs, same bytes.

    Nothing but the two scripts of the page may run in it: the policy at its head names their hashes. Where there are so
    many rows that WebGL draws them, these may also make code, as plotly's part for it does.

    Args:
        path: File to write; its folder is made.
        dataset: Name of the dataset.
        data: What ``explorer.js`` shows, JSON values. Texts of the dataset are shown as text, never as markup.
        by_webgl: Draw the map by WebGL, where the browser has it.
    """
    from plotly.offline import get_plotlyjs

    loader = jinja2.PackageLoader("xmas_assets", "report")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["visible"] = visible
    script = (Path(__file__).parent / _SCRIPT).read_text(encoding="utf-8")
    scripts = (get_plotlyjs(), script)
    page = environment.get_template(_TEMPLATE).render(
        dataset=dataset,
        scripts=scripts,
        hashes=[_hash(text) for text in scripts],
        by_webgl=by_webgl,
        data=_json({**data, "by_webgl": by_webgl, "dataset": visible(dataset), "colours": COLOURS, "grey": GREY}),
    )
    with replacing(path) as unfinished:
        unfinished.write_text(page, encoding="utf-8", newline="\n")


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _json(data: Mapping[str, object]) -> str:
    """JSON that cannot end the element that it stands in."""
    return orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY).decode().replace("<", "\\u003c")
