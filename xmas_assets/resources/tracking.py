"""MLflow lineage: the only place that imports mlflow.

What is to be tracked is first written to an outbox below ``XMAS_HOME/mlflow/`` and then delivered, so an MLflow outage
never costs a training run: undelivered records stay in the outbox and go out with the next delivery. Delivery holds a
file lock, because parallel processes on a fresh sqlite store race.
"""

import hashlib
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

import dagster as dg
from filelock import FileLock
from pydantic import Field

from xmas_assets.contracts.errors import SettingsError, StoreError
from xmas_assets.contracts.links import TO_MLFLOW, mlflow_run
from xmas_assets.contracts.messages import first_line
from xmas_assets.files.notes import note_bytes
from xmas_assets.files.whole import rename_all, replacing
from xmas_assets.home.home import Home
from xmas_assets.home.moved_artifacts import follow_move
from xmas_assets.home.tracking_store import TrackingStore, without_password
from xmas_assets.resources.run_list import VIEW, VIEW_TAG, run_list
from xmas_assets.resources.run_record import RunRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

_FINISHED = "FINISHED"
_RUN_KEY = "xmas.run_key"
_MOST_METRICS = 1000  # that MLflow takes at once
_EXPERIMENT = (
    "Selections of dataset `{dataset}` and the models trained on them. At the top is each command; below it are its "
    "methods and budgets, with means over seeds; below those, the selections (`select`) and models (`train`). "
    "[All by score]({runs}), with the columns `score` (mean over tasks), `rel_percent` (percent of the score of full "
    "data) and `vs_random`."
)


class Tracking(dg.ConfigurableResource):
    """Writes run records to the outbox and delivers them to MLflow."""

    home: dg.ResourceDependency[Home]
    uri: str = Field(
        default="", description="MLflow tracking URI, without a password; empty for the store of the home."
    )

    def record(
        self, record: RunRecord, *, log: Callable[[str], None], above: Iterable[RunRecord] = ()
    ) -> dict[str, Any]:
        """Track one run, and before it those above it; never raises for an MLflow failure, but says so through ``log``.

        Returns:
            Dagster metadata: a link to the run in MLflow, on whatever port, or the note that it waits in the outbox.
        """
        runs = self.record_all([*above, record], log=log)
        if record.key not in runs:
            return {"mlflow": dg.MetadataValue.text("waiting in the outbox; 'xmas doctor' shows why")}
        experiment_id, run_id = runs[record.key]
        return {"mlflow": dg.MetadataValue.url(mlflow_run(experiment_id, run_id))}

    def record_all(self, records: Iterable[RunRecord], *, log: Callable[[str], None]) -> dict[str, tuple[str, str]]:
        """Track several runs; returns run key to (experiment id, run id) for what MLflow has taken."""
        with self._lock():  # else a parallel process might deliver them, and only it would learn their addresses
            for record in records:
                text = record.model_dump_json()
                name = f"{self._next_number():020d}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
                with replacing(self.outbox / name) as unfinished:
                    unfinished.write_text(text)
            return self._send(log)

    def deliver(self, *, log: Callable[[str], None]) -> dict[str, tuple[str, str]]:
        """Send everything in the outbox; returns run key to (experiment id, run id) for what was sent."""
        with self._lock():
            return self._send(log)

    def prepare(self) -> dict[str, str]:
        """Create the store if it is not there, so that a server and a run need not race for it.

        Returns:
            Route of the run list of each dataset's experiment, with the columns that matter, by dataset.

        Raises:
            StoreError: If a store elsewhere cannot be used.
        """
        store = self.store()
        with self._lock():
            try:
                delivery = _Delivery.open(store)
                found = {experiment.name: experiment for experiment in delivery.client.search_experiments()}
                ours = [found[name] for name in self.home.datasets() if name in found]
                for experiment in ours:
                    delivery.describe(experiment)
            except _outages() as error:
                if store.is_own:
                    raise
                raise StoreError(
                    f"MLflow's store at {store.shown} cannot be used ({_said(error, store)}); start it, or see "
                    f"{self.home.path('mlflow') / 'tracking.yaml'}"
                ) from None
            return {experiment.name: run_list(experiment.experiment_id) for experiment in ours}

    def waiting(self) -> int:
        """Records in the outbox that MLflow has not taken yet."""
        return len(list(self.outbox.glob("[0-9]*.json")))

    def store(self) -> TrackingStore:
        """Where runs go: ``uri``, what the home's ``mlflow/tracking.yaml`` names, or the SQLite store below the home.

        Raises:
            SettingsError: If that file cannot be used.
        """
        return TrackingStore.of(self.home, self.uri)

    def tracking_uri(self) -> str:
        """Address of the store; it may hold a password."""
        return self.store().uri

    @property
    def outbox(self) -> Path:
        """Folder of the records that wait."""
        return self.home.path("mlflow", "outbox")

    def _next_number(self) -> int:
        """The time, or a number behind that of every record that waits: clocks are put back, and order matters."""
        waiting = [int(path.name.partition("-")[0]) for path in self.outbox.glob("[0-9]*-*.json")]
        return max([time.time_ns(), *(number + 1 for number in waiting)])

    def _lock(self) -> FileLock:
        return FileLock(self.outbox / ".lock")

    def _send(self, log: Callable[[str], None]) -> dict[str, tuple[str, str]]:
        sent: dict[str, tuple[str, str]] = {}
        store: TrackingStore | None = None
        for path in sorted(self.outbox.glob("[0-9]*.json")):
            try:
                record = RunRecord.model_validate_json(note_bytes(path))
            except ValueError:  # also pydantic's
                rename_all({path: path.with_suffix(".damaged")})
                log(f"{path} is damaged, and can never reach MLflow; it is set aside as {path.stem}.damaged")
                continue
            try:
                store = self.store()
                if store.is_own and store.artifacts:
                    follow_move(self.home.path("mlflow") / "mlflow.db", store.artifacts)
                sent[record.key] = _Delivery.open(store).deliver(record)
            except (SettingsError, *_outages()) as error:
                log(f"MLflow did not take '{record.name}' ({_said(error, store)}); it waits in {self.outbox}")
                break
            path.unlink()
        return sent


def _outages() -> tuple[type[Exception], ...]:
    """What MLflow raises where its store is away or damaged."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, SQLAlchemyError, sqlite3.Error, OSError


def _said(error: Exception, store: TrackingStore | None) -> str:
    """What an error says in one line, without the store's password."""
    return without_password(first_line(error), store.uri if store else "")


class _Delivery:
    """One open client and how a record becomes a run; every step may be repeated after a crash."""

    def __init__(self, client: "MlflowClient", artifacts: str | None) -> None:
        self.client = client
        self.artifacts = artifacts

    @classmethod
    def open(cls, store: TrackingStore) -> Self:
        import os

        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # the outbox is there for longer outages
        from mlflow import MlflowClient

        store.check_reachable()

        logging.getLogger("mlflow.store.db").setLevel(logging.WARNING)  # not a word about making the tables
        return cls(MlflowClient(store.uri), store.artifacts)

    def deliver(self, record: RunRecord) -> tuple[str, str]:
        from mlflow.entities import Metric, Param, RunTag

        run = self._find_or_create(record)
        run_id = run.info.run_id
        now = time.time_ns() // 1_000_000
        new_params = [Param(k, v[:6000]) for k, v in record.params.items() if k not in run.data.params]
        new_metrics = [Metric(k, v, now, 0) for k, v in record.metrics.items() if run.data.metrics.get(k) != v]
        tags = [RunTag(k, v[:5000]) for k, v in record.tags.items()]
        parent = self._find(run.info.experiment_id, record.parent) if record.parent else None
        if parent is not None:
            tags.append(RunTag("mlflow.parentRunId", parent.info.run_id))
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
        ended = None if record.ended is None else _milliseconds(record.ended)
        longer = record.grows and (ended or now) > (run.info.end_time or 0)
        if longer or run.info.status != _FINISHED:  # its end stays when scores are added later
            self.client.set_terminated(run_id, _FINISHED, end_time=ended)
        return run.info.experiment_id, run_id

    def _find_or_create(self, record: RunRecord) -> "Run":
        experiment = self.client.get_experiment_by_name(record.experiment)
        if experiment is None:
            self.client.create_experiment(record.experiment, artifact_location=self.artifacts)
            experiment = self.client.get_experiment_by_name(record.experiment)
            assert experiment is not None
            self.describe(experiment)
        return self._find(experiment.experiment_id, record.key) or self.client.create_run(
            experiment.experiment_id,
            start_time=None if record.started is None else _milliseconds(record.started),
            run_name=record.name,
            tags={_RUN_KEY: _tag_of(record.key)},
        )

    def describe(self, experiment: "Experiment") -> None:
        """Give an experiment its description and the view of its run list, as far as it has others."""
        runs = f"{TO_MLFLOW}{run_list(experiment.experiment_id)}"
        note = _EXPERIMENT.format(dataset=experiment.name, runs=runs)
        for name, value in {"mlflow.note.content": note, VIEW_TAG: VIEW}.items():
            if experiment.tags.get(name) != value:
                self.client.set_experiment_tag(experiment.experiment_id, name, value)

    def _find(self, experiment_id: str, key: str) -> "Run | None":
        found = self.client.search_runs([experiment_id], f"tags.`{_RUN_KEY}` = '{_tag_of(key)}'", max_results=1)
        return found[0] if found else None

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


def _milliseconds(seconds: float) -> int:
    return round(1000 * seconds)


def _tag_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
