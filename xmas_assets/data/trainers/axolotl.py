"""axolotl: one table of typed parts, each picture a part with its path, and the YAML that goes with it.

A column ``images`` would hold one picture per row at most, so there is none. Paths count from the working directory of
the training, so they are absolute if nothing is said.
"""

from pathlib import Path
from typing import Any

import yaml

from xmas_assets.data.trainers.pictures import Picture
from xmas_assets.data.trainers.rows import Row, Rows
from xmas_assets.data.trainers.tables import write_table
from xmas_assets.data.trainers.tool import Guide, Tool

_PART = {"type": "string", "text": "string", "path": "string"}
_READ = ("messages", "conversations", "images", "image", "tools", "system", "chat_template_kwargs", "text", "length")


def _write(rows: Rows, folder: Path) -> Guide:
    file = f"{rows.name}.parquet"
    features = rows.features(messages=[{"role": "string", "content": [_PART]}])
    write_table(rows, folder / file, features=features, made=lambda row: {"messages": _messages(row)})
    source = {"path": rows.place_of(file), "ds_type": "parquet", "type": "chat_template"}
    settings = {
        "datasets": [source],
        "processor_type": "AutoProcessor",
        "skip_prepare_dataset": True,
        "remove_unused_columns": False,
        "sample_packing": False,
    }
    (folder / "axolotl.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    from_here = "" if rows.paths == "absolute" else " Start axolotl in FOLDER: the paths count from where it starts."
    return Guide(
        f"""Put what `axolotl.yaml` holds into your YAML; with pictures axolotl needs all of it. Add the
`chat_template` of your model.{from_here}"""
    )


def _messages(row: Row) -> list[dict[str, Any]]:
    return [{"role": role, "content": list(map(_part, parts))} for role, parts in row.parts()]


def _part(part: str | Picture) -> dict[str, str]:
    return {"type": "text", "text": part} if isinstance(part, str) else {"type": "image", "path": part.path()}


AXOLOTL = Tool("axolotl", "axolotl", _write, paths="absolute", taken=frozenset(_READ))
