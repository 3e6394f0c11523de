"""``xmas dataset refresh``: whether a dataset's files are those that were read, and what is stale if not."""

import json
import os

from xmas_assets_tests.data.making import picture
from xmas_assets_tests.e2e.platforms import xmas


def test_a_changed_image_is_named_with_what_it_makes_stale_and_read_by_the_next_run(own):
    image = next(path for path in sorted((own.parent / "data").rglob("a.png")))
    assert xmas(own, "select", "own", "--method", "full", "--method", "random", "--budget", "0.5").code == 0
    os.utime(image, ns=(1, 1))
    said = xmas(own, "dataset", "refresh", "own", "--json")
    assert (said.code, json.loads(said.out)) == (0, {"changes": [], "stale": []})
    assert "all files of own are as they were read\n" in said.err
    image.write_bytes(picture("green", size=(9, 9)))
    found = json.loads(xmas(own, "dataset", "refresh", "own", "--json").out)
    (change,) = found["changes"]
    assert (change["files"], change["change"], change["n_files"]) == ("source images", "changed", 1)
    assert [row["asset"] for row in found["stale"]] == ["raw_dataset", "selected_subset"]
    said = xmas(own, "select", "own", "--method", "full")
    assert "  source images that changed since own was read: 1; first " in said.err
    assert "raw_dataset: made in" in said.err
    assert json.loads(xmas(own, "dataset", "refresh", "own", "--json").out)["changes"] == []
