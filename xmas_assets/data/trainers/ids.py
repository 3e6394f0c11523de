"""The ids of the rows alone, for programs that have the dataset already."""

import csv
from pathlib import Path

from xmas_assets.data.trainers.rows import Rows
from xmas_assets.data.trainers.tool import Guide, Tool


def write_ids(rows: Rows, path: Path) -> None:
    """Write the columns that are ours as CSV: ``sample_id``, and what there is of id, task, score, rank and group."""
    names = ["sample_id", *rows.own]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([row.columns[name] for name in names] for row in rows)


def _write(rows: Rows, folder: Path) -> Guide:
    write_ids(rows, folder / "ids.csv")
    return Guide("`ids.csv` holds one row per chosen row, in the order of the source, below a line of names.")


IDS = Tool("ids", "a list of ids", _write, image_files=("leave",), carried="none")
