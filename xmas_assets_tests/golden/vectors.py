"""Reads the golden vectors: the folder named by XMAS_GOLDEN_DIR, by default the public set kept here."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(os.environ.get("XMAS_GOLDEN_DIR") or Path(__file__).parent / "data")


def load(file: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Parameters and arrays of one file, checked against the manifest."""
    manifest = json.loads((FOLDER / "MANIFEST.json").read_text())
    entry = next(entry for entry in manifest["files"] if entry["file"] == file)
    with np.load(FOLDER / file, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    for array in entry["arrays"]:
        found = arrays[array["name"]]
        assert (list(found.shape), str(found.dtype)) == (array["shape"], array["dtype"]), array["name"]
    return entry["parameters"], arrays
