"""Published formulations of instability, TIVE, DataTailor and ScalSelect, re-created to be measured against."""

import math

import numpy as np
import torch
from scipy.cluster.hierarchy import fcluster, ward


def published_instability(trajectories: np.ndarray) -> np.ndarray:
    """One row after the other."""
    return np.array([np.sum(np.abs(np.diff(trajectory))) for trajectory in trajectories])


def published_influence(gradients: np.ndarray) -> np.ndarray:
    """All pairs of cosines, then their mean."""
    units = torch.nn.functional.normalize(torch.from_numpy(gradients))
    return (units @ units.T).mean(1).numpy()


def published_relations(
    features: np.ndarray, clusters: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows through Python lists, centroids number by number, a loop over all pairs of them, one over rows in clusters.

    The published loops compute more (other variants of both values), which is left out here.
    """
    rows, informativeness = torch.from_numpy(features), torch.from_numpy(weights)
    members: list[list[int]] = [[] for _ in range(clusters.max() + 1)]
    lists: list[list[list[float]]] = [[] for _ in members]
    centroids = [torch.zeros(rows.shape[1]) for _ in members]
    for row, cluster in enumerate(clusters):
        members[cluster].append(row)
        lists[cluster].append(rows[row].tolist())
        centroids[cluster] += rows[row]
    for cluster, inside in enumerate(members):
        for column in range(rows.shape[1]):
            centroids[cluster][column] = centroids[cluster][column] / len(inside)
    representative, unique = torch.zeros(len(rows)), torch.zeros(len(rows))
    for cluster, centroid in enumerate(centroids):
        closeness = 0.0
        for other, its_centroid in enumerate(centroids):
            if other != cluster:
                cosine = torch.dot(centroid, its_centroid) / torch.norm(centroid) / torch.norm(its_centroid)
                closeness += math.exp(cosine)
        for row in members[cluster]:
            representative[row] = closeness / (len(members) - 1) * informativeness[row]
    for cluster, inside in enumerate(members):
        block = torch.tensor(lists[cluster])
        distances = torch.cdist(block, block)
        mean_row = torch.sum(distances) / len(inside)
        scores = torch.tensor([informativeness[row] for row in inside])
        for position, row in enumerate(inside):
            unique[row] = torch.sum(distances[position] * scores) / mean_row
    return representative.numpy(), unique.numpy()


def published_leverage(rows: np.ndarray, energy_share: float = 0.9) -> np.ndarray:
    """A full singular value decomposition in float32, once for the rank and once for the scores."""
    centred = rows - rows.mean(axis=0)
    values = np.linalg.svd(centred, full_matrices=False)[1]
    shares = np.cumsum(values**2) / np.sum(values**2)
    rank = int(np.argmax(shares >= energy_share)) + 1
    left = np.linalg.svd(centred, full_matrices=False)[0]
    return np.square(left[:, :rank]).sum(axis=1)


def published_ward(features: np.ndarray, cut_share: float = 0.1) -> np.ndarray:
    """Rows through Python lists, all distances in a square matrix, from which a double loop makes the condensed one."""
    points = torch.tensor([row.tolist() for row in features], dtype=torch.float64)
    square = torch.cdist(points, points).numpy()
    condensed = np.empty(len(points) * (len(points) - 1) // 2)
    filled = 0
    for row in range(len(points)):
        for other in range(row + 1, len(points)):
            condensed[filled] = square[row, other]
            filled += 1
    merges = ward(condensed)
    return fcluster(merges, cut_share * merges[-1, 2], criterion="distance") - 1
