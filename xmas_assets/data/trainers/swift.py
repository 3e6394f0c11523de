"""ms-swift: one table in its standard form. It needs no registration; one is written for those who want a name.

Paths count from the working directory of the training, so they are absolute if nothing is said. Columns that the loader
gives a meaning (``objects``, ``label``, ``system`` and others) must not come from fields that mean something else.
"""

import json
from pathlib import Path

from xmas_assets.data.trainers.rows import Rows, WeightField
from xmas_assets.data.trainers.tables import write_marked_table
from xmas_assets.data.trainers.tool import Guide, Tool

_MEDIA = ("messages", "images", "videos", "audios", "tools", "objects")
_READ = {f"{prefix}{name}" for prefix in ("", "rejected_", "positive_", "negative_") for name in _MEDIA} | {
    *("image", "video", "audio", "system", "query", "response", "history", "instruction", "input", "output", "text"),
    *("conversation", "conversations", "rejected_response", "label", "channel", "margin", "teacher_prompt", "loss"),
    *("teacher_images", "chat_template_kwargs", "ref_audios", "audio_codes", "questions", "kinds", "options", "state"),
    *("target_probs", "question_ids", "criteria", "omnijev_column_keys", "omnijev_video", "prompt", "completion"),
}
_REGISTRATION = "custom_dataset_info.json"


def _write(rows: Rows, folder: Path) -> Guide:
    file = f"{rows.name}.parquet"
    write_marked_table(rows, folder / file)
    entries = [{"dataset_name": rows.name, "dataset_path": file}]  # which ms-swift finds next to the registration
    (folder / _REGISTRATION).write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    from_here = "" if rows.paths == "absolute" else " in FOLDER, since the paths of pictures count from where it starts"
    return Guide(
        f"""Start the training{from_here} with either of:

```
swift sft --dataset {rows.place_of(file)} ...
swift sft --custom_dataset_info {rows.place_of(_REGISTRATION)} --dataset {rows.name} ...
```"""
    )


SWIFT = Tool(
    "swift",
    "ms-swift",
    _write,
    paths="absolute",
    taken=frozenset(_READ),
    marks=("<video>", "<audio>", "<img>", "<start-image>", "<cot-process>"),
    weight=WeightField("loss", "bool"),
)
