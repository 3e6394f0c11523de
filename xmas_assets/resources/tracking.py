"""MLflow lineage: the only place that imports mlflow.

What is to be tracked is first written to an outbox below ``XMAS_HOME/mlflow/`` and then delivered, so an MLflow outage
never costs a training run: undelivered records stay in the outbox and go out with the next delivery. Delivery holds a
file lock, because parallel processes on a fresh sqlite store race.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

import dagster as dg
from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field

from xmas_assets.contracts.messages import first_line
from xmas_assets.files.whole import replacing
from xmas_assets.home.addresses import Addresses
from xmas_assets.home.home import Home

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_FINISHED = "FINISHED"
_MOST_METRICS = 1000  # that MLflow takes at once


class RunRecord(BaseModel):
    """One MLflow run, or more of one already there (same ``key``).

    Attributes:
        key: Identity of the run; records with the same key go into the same run.
        experiment: MLflow experiment; one per dataset, so that its runs compare side by side.
        name: What a person reads in the run list.
        params: Parameters, logged once.
        tags: Tags, later ones win.
        metrics: Metric values, later ones win.
        curves: Metric values by optimiser step, from 1; logged once.
        inputs: Dataset name to content digest.
        artifacts: Artifact folder name to local files or directories.
        files: Artifact path to text.
        pictures: Artifact path to PNG bytes.
        model: Folder among ``artifacts`` to register as a version of the model named like the experiment.
        alias: Registered-model alias for that version.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")

    key: str
    experiment: str
    name: str
    params: dict[str, str] = Field(default_factory=dict)
    tags: dict[str, str] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
    curves: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    inputs: dict[str, str] = Field(default_factory=dict)
    artifacts: dict[str, list[Path]] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)
    pictures: dict[str, bytes] = Field(default_factory=dict)
    model: str | None = None
    alias: str | None = None


class Tracking(dg.ConfigurableResource):
    """Writes run records to the outbox and delivers them to MLflow."""

    home: dg.ResourceDependency[Home]
    uri: str = Field(default="", description="MLflow tracking URI; empty for the sqlite store below XMAS_HOME.")

    def record(self, record: RunRecord, *, log: Callable[[str], None]) -> dict[str, Any]:
        """Track one run; never raises for an MLflow failure, but says so through ``log``.

        Returns:
            Dagster metadata: the run's address in the MLflow UI, its name if ``xmas ui`` never ran, or the note that it
            waits in the outbox.
        """
        runs = self.record_all([record], log=log)
        if record.key not in runs:
            return {"mlflow": dg.MetadataValue.text("waiting in the outbox; 'xmas doctor' shows why")}
        experiment_id, run_id = runs[record.key]
        addresses = Addresses.read(self.home)
        if addresses is None:
            where = f"run '{record.name}' of experiment '{record.experiment}'; 'xmas ui' serves MLflow"
            return {"mlflow": dg.MetadataValue.text(where)}
        return {"mlflow": dg.MetadataValue.url(addresses.mlflow_page(f"experiments/{experiment_id}/runs/{run_id}"))}

    def record_all(self, records: Iterable[RunRecord], *, log: Callable[[str], None]) -> dict[str, tuple[str, str]]:
        """Track several runs; returns run key to (experiment id, run id) for what MLflow has taken."""
        with self._lock():  # else a parallel process might deliver them, and only it would learn their addresses
            for record in records:
                text = record.model_dump_json()
                name = f"{time.time_ns():020d}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
                with replacing(self._outbox / name) as unfinished:
                    unfinished.write_text(text)
            return self._send(log)

    def deliver(self, *, log: Callable[[str], None]) -> dict[str, tuple[str, str]]:
        """Send everything in the outbox; returns run key to (experiment id, run id) for what was sent."""
        with self._lock():
            return self._send(log)

    def prepare(self) -> None:
        """Create the store if it is not there, so that a server and a run need not race for it."""
        with self._lock():
            _Delivery.open(self.tracking_uri(), self._artifacts).client.search_experiments(max_results=1)

    def waiting(self) -> int:
        """Records in the outbox that MLflow has not taken yet."""
        return len(list(self._outbox.glob("[0-9]*.json")))

    def tracking_uri(self) -> str:
        """Where runs go: the configured URI, or the sqlite store below ``XMAS_HOME``."""
        return self.uri or f"sqlite:///{self.home.path('mlflow')}/mlflow.db"

    @property
    def _outbox(self) -> Path:
        return self.home.path("mlflow", "outbox")

    @property
    def _artifacts(self) -> Path:
        return self.home.path("mlflow", "artifacts")

    def _lock(self) -> FileLock:
        return FileLock(self._outbox / ".lock")

    def _send(self, log: Callable[[str], None]) -> dict[str, tuple[str, str]]:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        sent: dict[str, tuple[str, str]] = {}
        for path in sorted(self._outbox.glob("[0-9]*.json")):
            record = RunRecord.model_validate_json(path.read_text())
            try:
                sent[record.key] = _Delivery.open(self.tracking_uri(), self._artifacts).deliver(record)
            except (MlflowException, SQLAlchemyError, OSError) as error:
                log(f"MLflow did not take '{record.name}' ({first_line(error)}); it waits in {self._outbox}")
                break
            path.unlink()
        return sent


class _Delivery:
    """One open client and how a record becomes a run; every step may be repeated after a crash."""

    def __init__(self, client: "MlflowClient", artifacts: Path) -> None:
        self.client = client
        self.artifacts = artifacts

    @classmethod
    def open(cls, uri: str, artifacts: Path) -> Self:
        import os

        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient

        logging.getLogger("mlflow.store.db").setLevel(logging.WARNING)  # not a word about making the tables
        return cls(MlflowClient(uri), artifacts)

    def deliver(self, record: RunRecord) -> tuple[str, str]:
        from mlflow.entities import Metric, Param, RunTag

        run = self._find_or_create(record)
        run_id = run.info.run_id
        now = time.time_ns() // 1_000_000
        new_params = [Param(k, v[:6000]) for k, v in record.params.items() if k not in run.data.params]
        new_metrics = [Metric(k, v, now, 0) for k, v in record.metrics.items() if run.data.metrics.get(k) != v]
        tags = [RunTag(k, v[:5000]) for k, v in record.tags.items()]
        self.client.log_batch(run_id, metrics=new_metrics, params=new_params, tags=tags)
        for name, values in record.curves.items():
            # A delivery that was cut short goes on behind the last point that arrived.
            points = [Metric(name, value, now, step) for step, value in enumerate(values, start=1)]
            logged = len(self.client.get_metric_history(run_id, name))
            for start in range(logged, len(points), _MOST_METRICS):
                self.client.log_batch(run_id, metrics=points[start : start + _MOST_METRICS])
        self._log_inputs(run_id, record.inputs)
        self._log_artifacts(run_id, record)
        if record.model and "xmas.model_version" not in run.data.tags:
            self._register(run_id, record)
        if run.info.status != _FINISHED:  # its end stays when scores are added later
            self.client.set_terminated(run_id, _FINISHED)
        return run.info.experiment_id, run_id

    def _find_or_create(self, record: RunRecord) -> "Run":
        experiment = self.client.get_experiment_by_name(record.experiment)
        if experiment is None:
            self.client.create_experiment(record.experiment, artifact_location=self.artifacts.as_uri())
            experiment = self.client.get_experiment_by_name(record.experiment)
        assert experiment is not None
        tag = hashlib.sha256(record.key.encode()).hexdigest()
        found = self.client.search_runs([experiment.experiment_id], f"tags.`xmas.run_key` = '{tag}'", max_results=1)
        if found:
            return found[0]
        return self.client.create_run(experiment.experiment_id, run_name=record.name, tags={"xmas.run_key": tag})

    def _log_inputs(self, run_id: str, inputs: dict[str, str]) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        datasets = [
            DatasetInput(
                Dataset(name=name, digest=digest[:36], source_type="local", source=f'{{"dataset": "{name}"}}'),
                [InputTag("mlflow.data.context", "training")],
            )
            for name, digest in inputs.items()
        ]
        if datasets:
            self.client.log_inputs(run_id, datasets=datasets)

    def _log_artifacts(self, run_id: str, record: RunRecord) -> None:
        for folder, paths in record.artifacts.items():
            for path in paths:
                if not path.exists():  # after an outage; one lost file must not hold up all that waits behind it
                    self.client.set_tag(run_id, "xmas.artifact_gone", str(path))
                    continue
                log = self.client.log_artifacts if path.is_dir() else self.client.log_artifact
                log(run_id, str(path), folder)
        contents = {name: text.encode() for name, text in record.files.items()} | record.pictures
        with TemporaryDirectory() as folder:
            for name, content in contents.items():
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            if contents:
                self.client.log_artifacts(run_id, folder)

    def _register(self, run_id: str, record: RunRecord) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(record.experiment)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        version = self.client.create_model_version(
            record.experiment, source=f"runs:/{run_id}/{record.model}", run_id=run_id, tags=record.tags
        )
        if record.alias:
            self.client.set_registered_model_alias(record.experiment, record.alias, version.version)
        self.client.set_tag(run_id, "xmas.model_version", version.version)
