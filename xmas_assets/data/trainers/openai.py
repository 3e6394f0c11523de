"""Chat records as OpenAI's API takes them, for fine-tuning there and for programs that follow it.

A file for that service may hold nothing but ``messages``, so the ids stand in a second file, row by row.
"""

import base64
from pathlib import Path
from typing import Any

import orjson

from xmas_assets.data.json_slices import write_records
from xmas_assets.data.trainers.ids import write_ids
from xmas_assets.data.trainers.pictures import Picture, suffix_of
from xmas_assets.data.trainers.rows import Row, Rows, WeightField
from xmas_assets.data.trainers.tool import AS_FILES, Guide, Tool


def _write(rows: Rows, folder: Path) -> Guide:
    file = f"{rows.name}.jsonl"
    write_records((orjson.dumps({"messages": _messages(row, rows.weight)}) for row in rows), folder / file, lines=True)
    write_ids(rows, folder / "ids.csv")
    return Guide(
        f"""Upload `{file}` as a file for fine-tuning. The service takes JPEG, PNG and WEBP up to 10 MB, at most ten in
a row, as data URIs or web addresses, not as paths. `ids.csv` says which row is which."""
    )


def _messages(row: Row, weight: WeightField | None) -> list[dict[str, Any]]:
    return row.weighted([{"role": role, "content": _content(parts)} for role, parts in row.parts()], weight)


def _content(parts: list[str | Picture]) -> str | list[dict[str, Any]]:
    if len(parts) == 1 and isinstance(parts[0], str):
        return parts[0]
    return [
        {"type": "text", "text": part} if isinstance(part, str) else {"type": "image_url", "image_url": _url(part)}
        for part in parts
    ]


def _url(picture: Picture) -> dict[str, str]:
    if picture.pictures.files != "embed":
        return {"url": picture.path()}
    data = picture.data()
    kind = suffix_of(data).replace("jpg", "jpeg")
    return {"url": f"data:image/{kind};base64,{base64.b64encode(data).decode()}"}


OPENAI = Tool(
    "openai",
    "OpenAI's chat format",
    _write,
    image_files=("embed", *AS_FILES),
    carried="none",
    weight=WeightField("weight", "int64"),
)
