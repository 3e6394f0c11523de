"""``xmas dataset forget-rows``: nothing of a row stays in the home, and it does not come back."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from xmas_assets.data.images import store_image
from xmas_assets.home.forgotten import read_forgotten
from xmas_assets.home.home import Home
from xmas_assets.stages.forgetting import forget_rows, plan_forgetting
from xmas_assets_tests.data.making import picture
from xmas_assets_tests.e2e.platforms import xmas

MARKER = "Zebrafink-0815"
COLOURS = ("red", "green", "blue", "blue", "white", "black", "yellow", "pink")
IMAGES = [picture(colour, size=(32, 30 + number)) for number, colour in enumerate(COLOURS)]
IMAGES[3] = IMAGES[2]  # shared by two rows
SELECT = ("select", "small", "--method", "random", "--method", "clip_score", "--budget", "0.5")


def write(path: Path, *, n_rows: int = len(COLOURS), answer: str = "noise") -> Path:
    """Rows with pictures as bytes; rows 1 and 2 are personal."""
    rows = []
    for number in range(n_rows):
        name = f"{MARKER}-{number}" if number in (1, 2) else f"r{number}"
        turns = [
            {"from": "human", "value": f"<image>\nwhat is it, {name}"},
            {"from": "gpt", "value": f"{answer} {name}"},
        ]
        rows.append({"id": name, "image": {"bytes": IMAGES[number], "path": None}, "conversations": turns})
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def holding(home: Path, *contents: bytes) -> list[str]:
    """Every file of a home that holds one of some bytes, or has a row's name."""
    found = [path for path in sorted(home.rglob("*")) if path.is_file()]
    return [
        str(path.relative_to(home))
        for path in found
        if any(content in path.read_bytes() for content in contents) or MARKER in str(path)
    ]


@pytest.fixture
def home(tmp_path) -> Path:
    home = tmp_path / "home"
    assert xmas(home, "dataset", "add", "small", "--annotations", write(tmp_path / "train.parquet")).code == 0
    return home


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_file_of_the_home_holds_the_text_or_image_of_a_forgotten_row(home, tmp_path):
    assert xmas(home, *SELECT).code == 0
    assert xmas(home, "explore", "small").code == 0
    other = store_image(picture("orange"), home / "images")
    before = holding(home, MARKER.encode(), IMAGES[1])
    assert len(before) >= 4, before
    said = xmas(home, "dataset", "forget-rows", "small", "--ids-where", f"sample_id LIKE '{MARKER}%'", "--yes")
    assert (said.code, said.out) == (
        0,
        "forgot 2 rows of small; make again what is needed with: xmas select small, xmas run small\n",
    )
    assert (
        "selections of small that are removed, with targets and scores: clip_score_b0.50_s0, random_b0.50_s0"
        in said.err
    )
    assert f"your own files still hold them: {tmp_path / 'train.parquet'}\n" in said.err
    assert holding(home, MARKER.encode(), IMAGES[1]) == []
    assert (home / "images" / other.removeprefix("store:")).is_file()
    for _ in range(2):  # also after they were refused, and with nothing new
        assert xmas(home, *SELECT).code == 0
        assert xmas(home, "explore", "small").code == 0
        tables = Home.open(home).stored("raw_dataset", "small")
        assert tables["samples"].column("sample_id").tolist() == ["r0", "r3", "r4", "r5", "r6", "r7"]
        quarantine = tables["quarantine"].frame()
        assert quarantine["reason"].to_list() == ["forgotten"] * 2
        assert holding(home, MARKER.encode(), IMAGES[1]) == []
        assert len(holding(home, IMAGES[3])) == 1  # row 3 has it too
        write(tmp_path / "train.parquet", answer="an edit")  # an edited record of a forgotten id stays away


def test_an_interrupted_removal_goes_on_and_until_then_nothing_is_read(home, monkeypatch):
    assert xmas(home, "select", "small", "--method", "random", "--budget", "0.5").code == 0
    opened = Home.open(home)
    plan = plan_forgetting(opened, "small", ["r0"])
    monkeypatch.setattr("xmas_assets.stages.forgetting.remove_made", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        forget_rows(opened, "small", plan)
    monkeypatch.undo()
    assert not read_forgotten(home, "small").is_done
    said = xmas(home, "select", "small", "--method", "random", "--budget", "0.5")
    assert said.code == 1
    assert "rows of small are not forgotten to the end; run: xmas dataset forget-rows small" in said.err
    assert xmas(home, "dataset", "forget-rows", "small", "--yes").code == 0
    assert read_forgotten(home, "small").is_done
    assert holding(home, IMAGES[0]) == []
    assert xmas(home, "select", "small", "--method", "random", "--budget", "0.5").code == 0


def test_what_cannot_be_forgotten_is_refused(home, tmp_path):
    forget = ("dataset", "forget-rows", "small")
    assert xmas(home, *forget, "--ids-where", "true").message.startswith("xmas: small was not read yet")
    assert xmas(home, "select", "small", "--method", "random", "--budget", "0.5").code == 0
    (tmp_path / "ids.txt").write_text("r0\nnobody\n")
    said = xmas(home, *forget, "--ids", tmp_path / "ids.txt").message
    assert said.startswith("xmas: 1 of 2 ids are no rows of small: nobody; take ids from: xmas sql")
    assert xmas(home, *forget, "--ids-where", "true").message.startswith("xmas: no row of small would be left")
    assert xmas(home, *forget, "--ids-where", "x x").code == 2
    assert xmas(home, *forget).message.startswith("xmas: 0 of 0 ids are no rows of small: no id was given")
    lock = FileLock(home / "locks" / "raw_dataset__small.lock")
    with lock:
        said = xmas(home, *forget, "--ids-where", "sample_id = 'r0'", "--yes").message
    assert said.startswith("xmas: a run is at work on dataset 'small'")
    assert json.loads(xmas(home, "sql", "SELECT count(*) AS n FROM raw_dataset.samples", "--json").out) == {
        "result": [{"n": len(COLOURS)}]
    }
