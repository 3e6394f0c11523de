"""What is to be tracked of one run, as it waits on disk until MLflow takes it."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


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
        parent: Key of the run that this one is shown below; it was recorded before.
        started: When the work began, seconds since 1970; None is when it is delivered.
        ended: When the work ended, as above.
        grows: Whether the run lasts until the latest end that is recorded of it; else its first end stays.
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
    parent: str | None = None
    started: float | None = None
    ended: float | None = None
    grows: bool = False
