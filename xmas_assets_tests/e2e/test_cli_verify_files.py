"""``xmas verify`` and the file that a manifest is of: edited, reordered, exchanged, in any format."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from xmas_assets.home.home import Home
from xmas_assets_tests.e2e.platforms import KEY, xmas

FORMS = {  # suffix and --format
    "original": (".json", None),
    "llava_json": (".json", "llava_json"),
    "llava_jsonl": (".jsonl", "llava_jsonl"),
    "sharegpt": (".json", "sharegpt"),
    "sharegpt lines": (".jsonl", "sharegpt"),
    "parquet": (".parquet", "parquet"),
}
OTHER = "random_b0.20_s0"


def export(home: Path, folder: Path, form: str, *, key: str = KEY, name: str = "subset") -> Path:
    suffix, file_format = FORMS[form]
    words = ("--format", file_format) if file_format else ()
    assert xmas(home, "export", "shapes", key, "--to", folder / f"{name}{suffix}", *words).code == 0
    return folder / f"{name}{suffix}"


def changed(file: Path, change: Callable[[list], list]) -> None:
    """Write a file's records anew, after a change."""
    if file.suffix == ".parquet":
        table = pq.read_table(file)
        order = change(list(range(table.num_rows)))
        pq.write_table(table.take(order), file)
    elif file.suffix == ".json":
        file.write_text(json.dumps(change(json.loads(file.read_text()))))
    else:
        file.write_text("".join(f"{line}\n" for line in change(file.read_text().splitlines())))


def verified(home: Path, file: Path) -> str:
    return xmas(home, "verify", file.with_name(f"{file.stem}.manifest.json")).message


def forge(file: Path) -> None:
    """Give the manifest the hash of the file as it is now."""
    manifest = file.with_name(f"{file.stem}.manifest.json")
    stated = json.loads(manifest.read_text())
    stated["export"]["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(stated))


CHANGES = {
    "order": (
        lambda rows: [rows[0], rows[2], rows[1], *rows[3:]],
        "holds the selection's records in another order",
    ),
    "row swapped": (lambda rows: [*rows[:2], rows[5], *rows[3:]], "holds another record 3 than the selection"),
    "row gone": (lambda rows: rows[:-1], "holds 47 records, and the selection 48; the first that differs is 48"),
    "row twice": (lambda rows: [rows[0], *rows], "holds 49 records, and the selection 48; the first that differs is 2"),
}


@pytest.mark.parametrize("form", FORMS)
def test_an_export_that_was_changed_is_found_also_where_its_manifest_was_changed_to_match(copied, tmp_path, form):
    file = export(copied, tmp_path, form)
    whole = file.read_bytes()
    said = xmas(copied, "verify", tmp_path / "subset.manifest.json")
    assert said.out.startswith(f"verified: {file.name} is as it was exported, and 48 of 240 rows"), said
    for change, message in CHANGES.values():
        for is_forged in (False, True):
            export(copied, tmp_path, form) if not file.exists() else file.write_bytes(whole)
            changed(file, change)
            if is_forged:
                forge(file)
            assert f"xmas: {file.name} is not what its manifest says: it {message}" in verified(copied, file)


def test_an_edited_text_and_another_layout_are_found(copied, tmp_path):
    file = export(copied, tmp_path, "original")
    records = json.loads(file.read_text())
    file.write_text(json.dumps(records, indent=3))
    assert "it was edited, but for its records" in verified(copied, file)
    records[6]["conversations"][1]["value"] += "!"
    file.write_text(json.dumps(records))
    assert "it holds another record 7 than the selection" in verified(copied, file)
    file.write_text("[")
    assert "it cannot be read" in verified(copied, file)
    file.unlink()
    assert "subset.json of subset.manifest.json is not next to it" in verified(copied, file)


def test_a_manifest_of_another_export_is_found(copied, tmp_path):
    file = export(copied, tmp_path, "original")
    export(copied, tmp_path, "original", key=OTHER, name="other")
    shutil.copyfile(tmp_path / "other.manifest.json", tmp_path / "subset.manifest.json")
    assert "subset.manifest.json belongs to 'other.json'" in verified(copied, file)
    (tmp_path / "b").mkdir()
    export(copied, tmp_path / "b", "original", key=OTHER)
    shutil.copyfile(tmp_path / "b" / "subset.manifest.json", tmp_path / "subset.manifest.json")
    assert "it holds another record 1 than the selection" in verified(copied, file)


@pytest.mark.parametrize("is_forgotten", [False, True])
def test_exchanged_tables_of_two_selections_are_found_by_verify_and_export(copied, tmp_path, is_forgotten):
    home = shutil.copytree(copied, tmp_path / "home")
    file = export(home, tmp_path, "original")
    one, other = (Home.open(home).stored("selected_subset", f"shapes|{key}")["subset"].path for key in (KEY, OTHER))
    one.rename(tmp_path / "aside")
    other.rename(one)
    (tmp_path / "aside").rename(other)
    if is_forgotten:
        (home / "contents.json").unlink()
    folder = str(one.parent)
    assert folder in verified(home, file)
    assert folder in xmas(home, "export", "shapes", KEY, "--to", tmp_path / "new.json").message
