"""Hugging Face ``datasets``: a folder as on the hub, Parquet with the pictures in it, and TRL's form of the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from xmas_assets.data.trainers.features import Features, yaml_features
from xmas_assets.data.trainers.pictures import Picture
from xmas_assets.data.trainers.rows import Row, Rows, WeightField
from xmas_assets.data.trainers.tables import write_shards
from xmas_assets.data.trainers.tool import Guide, Tool

_PART = {"type": "string", "text": "string"}
_READ_BY_TRL = ("messages", "images", "image", "prompt", "completion", "text", "tools", "chat_template_kwargs")


def dataset_head(rows: Rows, features: Features, folder: Path, *, files: str) -> dict[str, Any]:
    """The YAML head of ``README.md`` by which ``load_dataset`` knows the types, the files and the number of rows.

    Args:
        rows: The rows.
        features: Types of all columns.
        folder: The export, with the rows in it.
        files: Which of its files hold rows, as a pattern.
    """
    n_bytes = sum(path.stat().st_size for path in folder.glob(files))
    return {
        "dataset_info": {
            "features": yaml_features(features),
            "splits": [{"name": "train", "num_bytes": n_bytes, "num_examples": rows.n_rows}],
        },
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": files}]}],
    }


def _write_hf(rows: Rows, folder: Path) -> Guide:
    return _write(rows, folder, rows.messages(), lambda row: row.messages(rows.weight))


def _write_trl(rows: Rows, folder: Path) -> Guide:
    """A picture's part holds no data: TRL takes the pictures from the column, in the order of the parts."""
    return _write(rows, folder, [{"role": "string", "content": [_PART]}], _typed_messages)


def _write(rows: Rows, folder: Path, feature: list[Any], messages: Callable[[Row], list[dict[str, Any]]]) -> Guide:
    features = rows.features(images=["image"], messages=feature)
    write_shards(
        rows,
        folder / "data",
        features=features,
        made=lambda row: {"images": list(map(_image, row.pictures)), "messages": messages(row)},
    )
    return Guide(
        """```python
from datasets import load_dataset

train = load_dataset("FOLDER", split="train")  # `images` are pictures
```

`huggingface-cli upload NAME FOLDER --repo-type dataset` puts it on the hub as it is.""",
        dataset_head(rows, features, folder, files="data/train-*"),
    )


def _image(picture: Picture) -> dict[str, Any]:
    return {"bytes": picture.data(), "path": None}


def _typed_messages(row: Row) -> list[dict[str, Any]]:
    return [{"role": role, "content": list(map(_part, parts))} for role, parts in row.parts()]


def _part(part: str | Picture) -> dict[str, str]:
    return {"type": "text", "text": part} if isinstance(part, str) else {"type": "image"}


HF = Tool(
    "hf",
    "Hugging Face datasets",
    _write_hf,
    image_files=("embed",),
    taken=frozenset({"messages", "images"}),
    weight=WeightField("weight", "float64"),
)
TRL = Tool("trl", "TRL", _write_trl, image_files=("embed",), taken=frozenset(_READ_BY_TRL))
