"""Pictures that Dagster's pages show: files below the home, named by their content, which events refer to."""

import hashlib
import re
from pathlib import Path

from xmas_assets.contracts.links import PICTURES
from xmas_assets.files.whole import replacing
from xmas_assets.home.home import Home

_NAME = re.compile(r"[0-9a-f]{64}\.png")


def keep_picture(home: Home, png: bytes) -> str:
    """Keep a picture, and return the link under which ``xmas ui`` serves it, from a page of Dagster's."""
    name = f"{hashlib.sha256(png).hexdigest()}.png"
    path = home.path("dagster", "pictures") / name
    if not path.exists():
        with replacing(path) as unfinished:
            unfinished.write_bytes(png)
    return PICTURES + name


def kept_picture(home: Home, link: str) -> Path | None:
    """The file of a picture; None if there is none, or the link is none of ours."""
    name = link.removeprefix(PICTURES)
    path = home.root / "dagster" / "pictures" / name
    return path if link.startswith(PICTURES) and _NAME.fullmatch(name) and path.is_file() else None
