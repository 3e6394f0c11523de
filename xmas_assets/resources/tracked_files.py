"""Remove what MLflow keeps of a dataset's rows: files of its runs (manifests, pictures, weights); numbers stay."""

from pathlib import Path
from urllib.parse import unquote, urlparse

from xmas_assets.files.notes import read_note
from xmas_assets.files.whole import remove
from xmas_assets.home.tracking_store import TrackingStore
from xmas_assets.resources.tracking import Tracking

_PAGE = 1000


def forget_files(tracking: Tracking, dataset: str) -> list[str]:
    """Remove the files of a dataset's runs, and its records that wait for delivery.

    Returns:
        Addresses of files that are not on this disk, which stay.
    """
    for path in tracking.outbox.glob("[0-9]*.json"):
        if read_note(path)["experiment"] == dataset:
            path.unlink()
    elsewhere = []
    for address in _addresses(tracking.store(), dataset) if _has_runs(tracking) else []:
        parts = urlparse(address)
        if parts.scheme not in ("", "file"):
            elsewhere.append(address)
            continue
        folder = Path(unquote(parts.path))
        for path in folder.iterdir() if folder.is_dir() else ():
            remove(path)
    return elsewhere


def _has_runs(tracking: Tracking) -> bool:
    """Whether there is a store; asking one that is not there would make it."""
    return not tracking.store().is_own or (tracking.outbox.parent / "mlflow.db").exists()


def _addresses(store: TrackingStore, dataset: str) -> list[str]:
    """Where the files of a dataset's runs are."""
    from mlflow import MlflowClient

    store.check_reachable()
    client = MlflowClient(store.uri)
    experiment = client.get_experiment_by_name(dataset)
    found: list[str] = []
    token: str | None = ""
    while experiment is not None and token is not None:
        page = client.search_runs([experiment.experiment_id], max_results=_PAGE, page_token=token or None)
        found += [run.info.artifact_uri for run in page if run.info.artifact_uri]
        token = page.token or None
    return found
