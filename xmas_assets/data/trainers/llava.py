"""LLaVA: a JSON list in the form of its own training script, which knows ``human`` and ``gpt`` and no other role.

So a system turn becomes the beginning of the first question.
"""

from pathlib import Path
from typing import Any

import orjson

from xmas_assets.data.json_slices import write_records
from xmas_assets.data.trainers.rows import Row, Rows
from xmas_assets.data.trainers.tool import Guide, Tool

_ROLES = {"user": "human", "assistant": "gpt"}


def _write(rows: Rows, folder: Path) -> Guide:
    file = f"{rows.name}.json"
    write_records((orjson.dumps(_record(row)) for row in rows), folder / file, lines=False)
    return Guide(
        f"""```
--data_path {rows.folder}/{file} --image_folder {rows.folder}
```

`image` is a text where a row has one picture and a list where it has several, which LLaVA-NeXT reads and LLaVA-1.5
does not."""
    )


def _record(row: Row) -> dict[str, Any]:
    paths = row.paths()
    image = {"image": paths[0] if len(paths) == 1 else paths} if paths else {}
    given = {name: value for name, value in row.columns.items() if value is not None}
    return {"id": row.columns["sample_id"], **image, "conversations": _conversation(row), **given}


def _conversation(row: Row) -> list[dict[str, str]]:
    system = [turn.text for turn in row.turns if turn.role == "system"]
    turns = [{"from": _ROLES[turn.role], "value": turn.text} for turn in row.turns if turn.role != "system"]
    turns[0]["value"] = "\n\n".join([*system, turns[0]["value"]])
    return turns


LLAVA = Tool("llava", "LLaVA", _write, carried="any", taken=frozenset({"image", "conversations", "id"}))
