"""What an explorer shows, made up: 30 rows on a line, two selections, and texts that try to be more than text."""

from PIL import Image

from xmas_assets.report.thumbnails import thumbnail

N_ROWS = 30
HOSTILE = "</script><img src=x onerror=alert(1)>\u2028<b>bold</b>\"'&amp;"


def made_up() -> dict:
    """The keys that ``stages.exploring`` gives; every third row is kept by the first selection, and stands for two."""
    rows = list(range(N_ROWS))
    red = thumbnail(Image.new("RGB", (40, 30), "red"), 96)
    kept = [int(row % 3 == 0) for row in rows]
    judged = {
        "key": "xmas_b0.33_s0",
        "n_kept": 10,
        "groups": [HOSTILE, "cluster 1"],
        "group_rows": [15, 15],
        "group_kept": [5, 5],
        "group": [row // 15 for row in rows],
        "kept": kept,
        "rank": [1 + row % 15 for row in rows],
        "score_name": HOSTILE,
        "score": [row / 10 for row in rows],
        "stands_for": [None if row % 3 == 0 else row - row % 3 for row in rows],
    }
    drawn = judged | {"key": "random_b0.33_s0", "groups": [None], "group_rows": [30], "group_kept": [10]}
    drawn |= {"group": [0] * N_ROWS, "score": None, "score_name": "", "stands_for": None}
    return {
        "n_rows": N_ROWS,
        "space": "trajectories",
        "row": rows,
        "x": [float(row) for row in rows],
        "y": [None if row == 29 else float(row % 2) for row in rows],
        "near": [row // 5 for row in rows],
        "sample_id": [HOSTILE if row == 0 else f"row {row}" for row in rows],
        "tasks": ["count", HOSTILE],
        "task": [row % 2 for row in rows],
        "question": [HOSTILE if row == 0 else f"question {row}" for row in rows],
        "answer": [f"answer {row}" for row in rows],
        "cluster": [row // 15 for row in rows],
        "pictures": [red],
        "picture": [-1 if row == 1 else 0 for row in rows],
        "side": 96,
        "selections": [drawn, judged],
        "overlap": [[1.0, 0.2], [0.2, 1.0]],
        "notes": ["This page shows a random sample: 30 of 99 rows."],
    }
