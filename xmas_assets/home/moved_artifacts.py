"""MLflow's files of a home that was copied or moved, in our own SQLite store."""

import sqlite3
from contextlib import closing
from pathlib import Path

_OWN_ARTIFACTS = "/mlflow/artifacts"
_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
)


def follow_move(database: Path, folder: str) -> None:
    """Let the artifacts of our own store be below its present folder, where its home was copied or moved.

    MLflow keeps their absolute addresses, and has no call that changes them.
    """
    if not database.is_file():
        return
    with closing(sqlite3.connect(database)) as connection, connection:
        rows = connection.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall()
        for (former,) in rows:
            if not former.endswith(_OWN_ARTIFACTS) or former == folder:
                continue
            for table, column in _ADDRESSES:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column} || '/', 1, ?) = ?",
                    (folder, len(former) + 1, len(former) + 1, f"{former}/"),
                )
