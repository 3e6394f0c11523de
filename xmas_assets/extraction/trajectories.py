"""Trajectories: the leading singular values of every sample's cross-modal attention, at every checkpoint."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.settings import BaseModelSettings, TrajectorySettings
from xmas_assets.extraction.extracted import ROW_FIELDS, Extracted, row_columns
from xmas_assets.extraction.extracting import extract_signals
from xmas_assets.scale.shards import ProgressReport
from xmas_assets.vlm.capture import Definition, Observed, Wants
from xmas_assets.vlm.image_inputs import OpenImage
from xmas_assets.vlm.spectra import leading_singular_values


@dataclass(frozen=True)
class AttentionSpectra:
    """Leading singular values of a row's cross-modal attention, summed over layers.

    Attributes:
        definition: ``causal`` for the model's own probabilities, ``reference`` for the published code's arithmetic.
        n_values: Singular values per checkpoint, descending; zeros where a matrix has fewer.

    Source:
        XMAS (arXiv 2510.01454); all k values are kept, their sum is the paper's trajectory value.
    """

    definition: Definition
    n_values: int
    name: ClassVar[str] = "attention_trajectories"
    every_checkpoint: ClassVar[bool] = True
    needs_image: ClassVar[bool] = True
    version: ClassVar[int] = 1

    @classmethod
    def of(cls, settings: TrajectorySettings) -> "AttentionSpectra":
        """The signal as a profile has it."""
        return cls(settings.definition, settings.n_values)

    def wants(self, language_config: Any) -> Wants:
        """Give the sum over layers."""
        return Wants(attention=self.definition)

    def columns(self, language_config: Any) -> Mapping[str, tuple[int, ...]]:
        """Give ``values``, (n_values,)."""
        return {"values": (self.n_values,)}

    def read(self, observed: Observed) -> Mapping[str, NDArray[np.float32]]:
        """Take the singular values."""
        assert observed.attention is not None
        values = leading_singular_values(observed.attention.layers["sum"], self.n_values)
        return {"values": values.float().cpu().numpy()}


@dataclass(frozen=True)
class Trajectories:
    """The table of ``AttentionSpectra``, with a flag instead of NaN in rows without a trajectory."""

    extracted: Extracted

    @property
    def steps(self) -> tuple[int, ...]:
        """Optimiser steps of the checkpoints, ascending."""
        return self.extracted.steps

    @property
    def n_values(self) -> int:
        """Singular values per checkpoint."""
        return self.extracted.shapes["values"][1]

    @property
    def notices(self) -> tuple[str, ...]:
        """What a person should know about how they were made."""
        return self.extracted.notices

    @property
    def schema(self) -> pa.Schema:
        """Columns: ``row``, ``sample_id``, ``has_image`` and ``values`` (checkpoint by checkpoint, float32).

        ``has_image`` is False, and the values are 0, in rows without a trajectory.
        """
        has_image = pa.field("has_image", pa.bool_(), nullable=False)
        return pa.schema([*ROW_FIELDS, has_image, self.extracted.schema.field("values")])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Give all rows in dataset order."""
        for rows, columns in self.extracted.blocks():
            values = columns["values"]
            has_image = ~np.isnan(values).any(1)
            values[~has_image] = 0
            lists = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
            arrays = [*row_columns(self.extracted.samples, rows), pa.array(has_image), lists]
            yield pa.record_batch(arrays, schema=self.schema)


def extract_trajectories(
    *,
    samples: Sequence[Sample],
    open_image: OpenImage,
    checkpoints: Sequence[Checkpoint],
    base: Path | None,
    base_settings: BaseModelSettings,
    settings: TrajectorySettings,
    workspace: Path,
    progress: Callable[[ProgressReport], None] | None = None,
) -> Trajectories:
    """Read the trajectories alone; ``extract_signals`` says what the arguments are.

    Raises:
        DatasetError: If no sample has an image.
        ModelError: Without two checkpoints of different steps, or if one cannot be read or is not finite.
    """
    signal = AttentionSpectra.of(settings)
    extracted = extract_signals(
        signals=[signal],
        samples=samples,
        open_image=open_image,
        checkpoints=checkpoints,
        base=base,
        base_settings=base_settings,
        settings=settings,
        workspaces={signal.name: workspace},
        progress=progress,
    )
    return Trajectories(extracted[signal.name])
