"""The tools' own code loads what is exported for them; skipped where a tool is not installed.

``XMAS_TOOLS_DIR`` names a folder with an environment of each tool, ``llamafactory``, ``swift``, ``axolotl``, ``trl``,
``hf`` and ``webdataset``; ``docs/exporting.md`` says which versions were tried.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from xmas_assets_tests.data.subsets import RECORDS, TrapDataset
from xmas_assets_tests.families.llava import build_llava

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "trainer_loaders.py"
PER_PICTURE = 16  # tokens of a picture in the tiny LLaVA
N_PICTURES = [0, 1, 2, 1, 1, 1]
SIZES = [[], [[32, 24]], [[32, 24], [24, 40]], [[28, 28]], [[32, 24]], [[24, 40]]]
VIDEO = 4  # the row that some tools cannot read


def loaded(tool: str, folder: Path, model: Path | str = "") -> list[dict]:
    python = Path(os.environ.get("XMAS_TOOLS_DIR", ""), tool, "bin", "python")
    if "XMAS_TOOLS_DIR" not in os.environ or not python.exists():
        pytest.skip(f"XMAS_TOOLS_DIR has no environment of {tool}")
    # From another folder, since no path may depend on it.
    words = [python, SCRIPT, tool, folder, "--model", model]
    done = subprocess.run(
        words, capture_output=True, text=True, cwd=folder.parent, env={**os.environ, "PYTHONPATH": ""}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])["rows"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return build_llava(tmp_path_factory.mktemp("tiny") / "model")


@pytest.mark.parametrize("tool", ["llamafactory", "swift", "axolotl", "trl"])
def test_a_trainer_gets_every_turn_and_picture_of_every_row(tool, model, tmp_path):
    left_out = TrapDataset(tmp_path).export(tool, tmp_path / "out", scores=True).left_out
    rows = loaded(tool, tmp_path / "out", model)
    kept = [index for index in range(len(RECORDS)) if not (left_out and index == VIDEO)]
    assert [row["picture_tokens"] for row in rows] == [PER_PICTURE * N_PICTURES[index] for index in kept]
    for row, index in zip(rows, kept, strict=True):
        turns = [turn["value"] for turn in RECORDS[index]["conversations"]]
        answers = [turn["value"] for turn in RECORDS[index]["conversations"] if turn["from"] == "gpt"]
        assert [text for turn in turns for text in turn.split("<image>") if text.strip() not in row["text"]] == []
        assert [answer for answer in answers if answer not in row["trained"]] == []
        assert row["pictures"] == ([N_PICTURES[index], 3, 32, 32] if N_PICTURES[index] else None)


@pytest.mark.parametrize("tool", ["hf", "webdataset"])
def test_datasets_and_webdataset_give_every_column_and_decode_every_picture(tool, tmp_path):
    TrapDataset(tmp_path).export(tool, tmp_path / "out", scores=True)
    rows = loaded(tool, tmp_path / "out")
    assert [row["pictures"] for row in rows] == SIZES
    assert [row["sample_id"] for row in rows] == [record["id"] for record in RECORDS]
    assert [row["level"] for row in rows] == [3, None, 7, None, 1, None]
    assert [row["mixed"] for row in rows] == [None, None, "1", '"one"', None, None]
    assert [row["rank"] for row in rows] == [None, 8, 7, 6, 5, 4]
    assert rows[2]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "<image>\n<image>\nAlike?"},
        {"role": "assistant", "content": "No, \u2603 & 'x'."},
        {"role": "user", "content": "Sure?"},
        {"role": "assistant", "content": "Yes."},
    ]
