"""Tables of gradients: one row per row of the dataset, or one per target task of the validation records."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.core.influence import mean_directions
from xmas_assets.home.stored_tables import StoredTables, note_shapes, stage
from xmas_assets.store.reading import Table

if TYPE_CHECKING:
    from xmas_assets.extraction.gradients import Gradients


def stage_gradients(workspace: Path, extracted: "Gradients") -> StoredTables:
    """Stage gradients at one checkpoint: columns ``norm`` and ``projected``; NaN in rows that are left out."""

    def batches() -> Iterator[tuple[str, pa.RecordBatch]]:
        for rows, norms, projected in extracted.blocks():
            columns = {"norm": pa.array(norms[:, 0]), "projected": _lists(projected)}
            yield "gradients", _batch(extracted, rows, columns)

    return stage(workspace, batches())


def stage_adam_gradients(workspace: Path, extracted: "Gradients") -> StoredTables:
    """Stage gradients at several checkpoints: column ``projected``, flat with its shape noted; NaN as above."""

    def batches() -> Iterator[tuple[str, pa.RecordBatch]]:
        for rows, _, projected in extracted.blocks():
            yield "adam_gradients", _batch(extracted, rows, {"projected": _lists(projected)})

    return stage(workspace, batches(), metadata=_note_shape(extracted))


def stage_validation_gradients(workspace: Path, extracted: "Gradients", tasks: Table) -> StoredTables:
    """Stage the mean direction of each target task's gradients: ``task``, ``n_rows`` and ``projected``, as above.

    Args:
        workspace: Of the stage.
        extracted: Gradients of the validation records.
        tasks: Of them, with column ``task``; records without one are a task of their own, named "".

    Raises:
        DatasetError: If all records of a task are left out.
    """
    _, norms, projected = (np.concatenate(parts) for parts in zip(*extracted.blocks(), strict=True))
    names, groups = np.unique([task or "" for task in tasks.column("task").tolist()], return_inverse=True)
    is_read = ~np.isnan(norms[:, 0])
    counts = np.bincount(groups[is_read], minlength=len(names))
    if not counts.all():
        raise DatasetError(
            f"no validation record of task {names[counts == 0][0]!r} has a gradient ({'; '.join(extracted.notices)}); "
            "raise base_model.max_tokens, or give other records"
        )
    columns = {"task": pa.array(names.tolist()), "n_rows": pa.array(counts)}
    columns["projected"] = _lists(mean_directions(projected[is_read], groups[is_read]))
    return stage(workspace, {"validation_gradients": pa.table(columns)}, metadata=_note_shape(extracted))


def read_norms(extracted: "Gradients") -> NDArray[np.float32]:
    """Norms of the gradients before projection, shape (n_rows, n_checkpoints)."""
    return np.concatenate([norms for _, norms, _ in extracted.blocks()])


def _batch(extracted: "Gradients", rows: range, columns: dict[str, pa.Array]) -> pa.RecordBatch:
    ids = [extracted.samples[row].sample_id for row in rows]
    return pa.record_batch({"row": pa.array(rows, pa.int64()), "sample_id": pa.array(ids, pa.string())} | columns)


def _lists(values: NDArray[np.float32]) -> pa.Array:
    """One flat fixed-size list per row."""
    flat = pa.array(np.ascontiguousarray(values, dtype=np.float32).ravel())
    return pa.FixedSizeListArray.from_arrays(flat, values[0].size)


def _note_shape(extracted: "Gradients") -> dict[str, str]:
    return note_shapes({"projected": (extracted.n_checkpoints, extracted.n_projected)})
