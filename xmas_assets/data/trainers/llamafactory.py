"""LLaMA-Factory: one table, and the entry of ``dataset_info.json`` that names it.

Its loader wants ``images`` as a list, as many ``<image>`` marks as pictures, and user and assistant in turn. It counts
``<video>`` and ``<audio>`` anywhere in a text as places of media, and stops where there are none.

The rows are Parquet: from JSON the column types are guessed from the first 10 MB, and rows without pictures at the
beginning then make the whole file unreadable.
"""

import json
from pathlib import Path

from xmas_assets.data.trainers.rows import Rows
from xmas_assets.data.trainers.tables import write_marked_table
from xmas_assets.data.trainers.tool import Guide, Tool


def _write(rows: Rows, folder: Path) -> Guide:
    file = f"{rows.name}.parquet"
    write_marked_table(rows, folder / file)
    tags = {f"{role}_tag": role for role in ("role", "content", "user", "assistant", "system")}
    entry = {
        "file_name": file,
        "formatting": "sharegpt",
        "columns": {"messages": "messages", "images": "images"},
        "tags": tags,
    }
    (folder / "dataset_info.json").write_text(json.dumps({rows.name: entry}, indent=2) + "\n", encoding="utf-8")
    return Guide(
        f"""In the YAML of the training (`media_dir` is this folder too, unless you set it):

```yaml
dataset_dir: {rows.folder}
dataset: {rows.name}
```

Or copy the entry of `dataset_info.json` into your own, with the path of `{file}` as its `file_name`."""
    )


LLAMAFACTORY = Tool("llamafactory", "LLaMA-Factory", _write, marks=("<video>", "<audio>"))
