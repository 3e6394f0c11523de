"""The annotation files that a pattern or a folder stands for: shards, dataset repositories, ``save_to_disk``."""

import glob
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.data.plain_yaml import parsed_yaml
from xmas_assets.files.notes import read_note

Split = Literal["train", "test", "validation"]
_WORDS: dict[Split, tuple[str, ...]] = {
    "train": ("train",),
    "test": ("test",),
    "validation": ("validation", "val", "dev"),
}
_SUFFIXES = (
    ".parquet",
    ".arrow",
    ".jsonl",
    ".jsonl.gz",
    ".json",
    ".json.gz",
    ".csv",
    ".csv.gz",
    ".tsv",
    ".tsv.gz",
    ".tar",
)
_NOT_RECORDS = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json")
_MAX_NOTE_BYTES = 16 * 1024 * 1024


def files_of(paths: Iterable[Path], split: Split) -> list[Path]:
    """The files behind paths as a user types them: files, patterns, and folders, in a stable order.

    Args:
        paths: A pattern (``*``, ``?``, ``[]``) stands for the files that match, by name. A folder stands for the files
            that its own notes name for the split (``save_to_disk``, a dataset repository), or else for all files of
            records in it, or in its folder ``data``; of files named after splits, those of the split.
        split: Which files of a folder are meant.

    Raises:
        SettingsError: If a pattern or folder stands for no file, or for files of several forms.
    """
    return [file for path in paths for file in _files(path, split)]


def _files(path: Path, split: Split) -> list[Path]:
    if not path.exists() and re.search(r"[*?\[]", str(path)):
        found = sorted(Path(name) for name in glob.glob(str(path), recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
        files = [file for file in found if not file.is_dir()]
        if not files:
            raise SettingsError(f"no file matches {str(path)!r}; correct the pattern")
        return files
    return _of_folder(path, split) if path.is_dir() else [path]


def _of_folder(folder: Path, split: Split) -> list[Path]:
    """The files of a split in a folder; the notes of the ``datasets`` library count before the files' names."""
    if (folder / "dataset_dict.json").is_file():
        splits = _note(folder / "dataset_dict.json").get("splits")
        if not isinstance(splits, list) or split not in splits:
            raise SettingsError(f"{folder}: has the splits {splits}, none is named {split!r}; give the folder of one")
        return _of_folder(folder / split, split)
    if (folder / "state.json").is_file():
        files = _note(folder / "state.json").get("_data_files")
        names = [str(file.get("filename")) for file in files or [] if isinstance(file, dict)]
        if not names:
            raise SettingsError(f"{folder}: its state.json names no files; save the dataset again")
        return [folder / _inside(folder, name) for name in names]
    patterns = _card_patterns(folder / "README.md", split)
    if patterns:
        return [file for pattern in patterns for file in _files(folder / _inside(folder, pattern), split)]
    return _of_split(folder, split)


def _inside(folder: Path, name: str) -> str:
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise SettingsError(f"{folder}: its notes name {name[:200]!r}, which leads out of it; give the files by name")
    return name


def _note(path: Path) -> dict[str, Any]:
    try:
        value = read_note(path, most=_MAX_NOTE_BYTES)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: cannot be read ({error}); save the dataset again") from None
    return value if isinstance(value, dict) else {}


def _card_patterns(card: Path, split: Split) -> list[str]:
    """The patterns of a split under ``configs: data_files`` in the head of a dataset card; of its first config."""
    if not card.is_file():
        return []
    with card.open("rb") as stream:
        text = stream.read(_MAX_NOTE_BYTES).decode("utf-8", "replace")
    head = re.match(r"---\r?\n(.*?)\r?\n---", text, re.DOTALL)
    configs = parsed_yaml(head[1], where=str(card)).get("configs") if head else None
    if not isinstance(configs, list) or not configs or not isinstance(configs[0], dict):
        return []
    given = configs[0].get("data_files")
    if isinstance(given, str):
        return [given] if split == "train" else []
    entries = [entry for entry in given if isinstance(entry, dict)] if isinstance(given, list) else []
    if isinstance(given, dict):
        entries = [{"split": name, "path": path} for name, path in given.items()]
    found = [entry.get("path") for entry in entries if entry.get("split") == split]
    if entries and not found:
        splits = ", ".join(str(entry.get("split")) for entry in entries)
        raise SettingsError(f"{card}: names files for {splits}, none for {split!r}; give the files by name")
    return [
        path for paths in found for path in (paths if isinstance(paths, list) else [paths]) if isinstance(path, str)
    ]


def _of_split(folder: Path, split: Split) -> list[Path]:
    """The files of records in a folder, of one form; those named after the split if some are named after splits."""
    files: list[Path] = []
    for place in (folder, folder / "data"):
        if not files and place.is_dir():
            files = [path for path in sorted(place.iterdir()) if path.is_file() and _suffix(path)]
    named = {path: _split_of(path) for path in files}
    if any(named.values()):
        files = [path for path in files if named[path] == split]
    suffixes = {_suffix(path) for path in files}
    if len(suffixes) != 1:
        held = f"files of several forms ({', '.join(sorted(suffixes))})" if files else f"no records of {split!r}"
        raise SettingsError(f"{folder}: holds {held}; give the files by name or by a quoted pattern")
    return files


def _suffix(path: Path) -> str:
    name = path.name.lower()
    if name in _NOT_RECORDS or name.startswith("."):
        return ""
    return max((suffix for suffix in _SUFFIXES if name.endswith(suffix)), key=len, default="")


def _split_of(path: Path) -> Split | None:
    """The split that a file is named after, as a word of its name: ``train-00000-of-00003``, ``my_test``."""
    words = re.split(r"[^a-z]+", path.name.lower())
    return next((split for split, names in _WORDS.items() if any(name in words for name in names)), None)
