"""The explorer's page: what may run in it, what a dataset's texts may not do, and how pictures are made small."""

import base64
import hashlib
import io
import json
import re

import numpy as np
from PIL import Image

from xmas_assets.report.explorer import write_explorer
from xmas_assets.report.thumbnails import thumbnail, thumbnail_side

HOSTILE = "</script><script>alert(1)</script>\u2028<!--\"'&"


def written(folder, **data) -> str:
    write_explorer(folder / "explorer.html", "mine", data)
    return (folder / "explorer.html").read_text(encoding="utf-8")


def test_only_the_two_scripts_of_the_page_may_run(tmp_path):
    page = written(tmp_path)
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    assert len(scripts) == 2
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert policy and policy[1] == (
        "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{hashes[0]}' 'sha256-{hashes[1]}'"
    )


def test_code_may_be_made_only_where_webgl_draws(tmp_path):
    write_explorer(tmp_path / "explorer.html", "mine", {}, by_webgl=True)
    assert "'unsafe-eval'" in (tmp_path / "explorer.html").read_text(encoding="utf-8").partition("<title>")[0]
    assert "'unsafe-eval'" not in written(tmp_path).partition("<title>")[0]


def test_a_text_of_the_dataset_stays_data(tmp_path):
    page = written(tmp_path, question=[HOSTILE])
    assert page.count("<script") == 3
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert json.loads(text)["question"] == [HOSTILE]


def test_the_same_data_give_the_same_bytes(tmp_path):
    assert written(tmp_path, x=[0.5]) == written(tmp_path, x=[0.5])


def test_a_thumbnail_is_a_small_jpeg_of_the_same_shape():
    noise = np.random.default_rng(0).integers(0, 256, (300, 600, 3), dtype=np.uint8)
    head, _, data = thumbnail(Image.fromarray(noise), 96).partition(",")
    assert head == "data:image/jpeg;base64"
    small = Image.open(io.BytesIO(base64.b64decode(data)))
    assert (small.format, small.size) == ("JPEG", (96, 48))


def test_more_pictures_are_smaller():
    assert [thumbnail_side(n) for n in (1, 8_000, 8_001, 20_000, 20_001)] == [96, 96, 64, 64, 48]
