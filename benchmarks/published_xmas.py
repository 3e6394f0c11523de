"""The published XMAS flow from JSON to JSON, re-created to be measured against (kmeans_clustering.py, then
cluster_data_selection.py), for a dataset in which every row has an image."""

import json
from pathlib import Path

import faiss
import numpy as np
import orjson

from benchmarks.made_trajectories import BLOCK, N_CHECKPOINTS, made_ids, made_values
from benchmarks.published_features import published_instability

N_CLUSTERS, LARGEST_DROPPED = 1000, 2


def write_json(folder: Path, n_rows: int) -> None:
    """One file of singular values by id for each checkpoint, and the annotations without their conversations."""
    blocks = [(start, min(start + BLOCK, n_rows)) for start in range(0, n_rows, BLOCK)]
    ids = [sample_id for start, stop in blocks for sample_id in made_ids(start, stop)]
    values = np.concatenate([made_values(start, stop - start) for start, stop in blocks])
    for checkpoint in range(N_CHECKPOINTS):
        content = dict(zip(ids, values[:, checkpoint].tolist(), strict=True))
        (folder / f"layers_attn_svd_checkpoint-{checkpoint + 1}.json").write_bytes(orjson.dumps(content))
    records = [{"id": sample_id, "image": f"{sample_id}.jpg", "conversations": []} for sample_id in ids]
    (folder / "annotations.json").write_bytes(orjson.dumps(records))


def cluster(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Write every id's cluster and instability; returns trajectories, labels and centroids."""
    paths = sorted(folder.glob("*_attn_svd_*.json"), key=lambda path: int(path.stem.rpartition("-")[2]))
    ids: list[str] = []
    trajectories = np.empty((0, len(paths)), dtype=np.float32)
    for checkpoint, path in enumerate(paths):
        with path.open() as stream:
            spectra = json.load(stream)
        if not ids:
            ids = list(spectra)
            trajectories = np.zeros((len(ids), len(paths)), dtype=np.float32)
        for row, sample_id in enumerate(ids):
            trajectories[row, checkpoint] = sum(sorted(spectra[sample_id], reverse=True)[:5])
    instability = published_instability(trajectories)
    engine = faiss.Kmeans(len(paths), N_CLUSTERS, niter=100)  # trains on 256 rows per centroid
    engine.train(trajectories)
    labels = engine.index.search(trajectories, 1)[1][:, 0]
    for name, values in (("clusters", labels.tolist()), ("instability", instability.tolist())):
        with (folder / f"{name}.json").open("w") as stream:
            json.dump(dict(zip(ids, values, strict=True)), stream)
    return trajectories, labels, np.asarray(engine.centroids)


def sample(folder: Path, percent: int) -> list[str]:
    """Write the records of the most stable rows of every cluster, smallest cluster first; returns their ids."""
    clusters, instability, records = (
        json.loads((folder / f"{name}.json").read_text()) for name in ("clusters", "instability", "annotations")
    )
    members: dict[int, list[str]] = {}
    for sample_id, label in clusters.items():
        members.setdefault(label, []).append(sample_id)
    left = percent * len(clusters) // 100
    labels = [label for label in sorted(members) if len(members[label]) > LARGEST_DROPPED]
    sizes = np.array([len(members[label]) for label in labels])
    chosen: list[str] = []
    for position, place in enumerate(np.argsort(sizes, kind="stable")):
        quota = left // (len(labels) - position)
        taken = sorted(members[labels[place]], key=lambda sample_id: instability[sample_id])[:quota]
        chosen += taken
        left -= len(taken)
    by_id = {record["id"]: record for record in records}
    with (folder / "subset.json").open("w") as stream:
        json.dump([by_id[sample_id] for sample_id in chosen], stream)
    return chosen
