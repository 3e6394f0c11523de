"""A fine-tuning run on disk: what it is, its resumable states, its committed checkpoints and its final record.

``run.json`` says what the run is, and what it found out when it began; ``state/checkpoint-N`` are Trainer states, good
once ``committed.json`` is in them; ``checkpoint-N`` are results, complete because they appear by rename; ``done.json``
is written last.
"""

import json
import logging
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from xmas_assets.contracts.artifacts import Checkpoint, TrainingRecord
from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.usage import Usage
from xmas_assets.files.model_content import model_digest
from xmas_assets.files.notes import read_note
from xmas_assets.files.whole import files_digest, remove_unfinished, replacing, sync

_LOG = logging.getLogger(__name__)
_NAME = re.compile(r"checkpoint-(\d+)")
_COMMITTED = "committed.json"
_CONTENT = "content"  # in it: digest of the state's files


@dataclass
class Cost:
    """What a run has used so far; it is saved with each state, so that it adds up over resumed attempts.

    Attributes:
        cpu_seconds: Processor time of this process. Work lost to a kill since the last state is not in it.
        losses: Loss per answer token of each optimiser step so far, nats.
        n_samples_seen: Samples trained on, counting each pass.
        wall_seconds: Time on the clock, without what was lost.
        peak_memory_bytes: Most memory held at once: of a GPU, what torch allocated; without one, what the process had
            resident since it began, which is at least what the run needed.
        n_features_read: Images that did not run through the vision tower, since their features were kept, counting
            each pass.
    """

    cpu_seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    n_samples_seen: int = 0
    wall_seconds: float = 0.0
    peak_memory_bytes: int = 0
    n_features_read: int = 0

    def count(self, step: int, loss: float, n_samples: int) -> None:
        """Add a micro batch of the ``step``-th step (from 0), and its share of that step's loss."""
        if step == len(self.losses):
            self.losses.append(0.0)
        self.losses[step] += loss
        self.n_samples_seen += n_samples


class RunDirectory:
    """The files of one run under its output directory."""

    def __init__(self, path: Path, *, run: str) -> None:
        """Open the run, or begin it.

        Args:
            path: The output directory.
            run: Digest of all that decides the weights.

        Raises:
            ModelError: If another run is there.
        """
        self.path = path
        self.state = path / "state"
        self.identity = run
        path.mkdir(parents=True, exist_ok=True)
        note = path / "run.json"
        if note.is_file() and _run_of(note) != run:
            raise ModelError(f"{path} holds a run on other rows, base or settings; remove it or give another output")
        if not note.is_file():
            _write(note, {"run": run})
        for leftover in remove_unfinished(path):
            _LOG.warning("%s was not finished when its run stopped; it is removed and made again", leftover)

    def found_once(self, name: str, find: Callable[[], int]) -> int:
        """Return what this run found out when it began, wherever it is resumed; ``find`` is called the first time."""
        path = self.path / "run.json"
        known = read_note(path)
        if name not in known:
            known[name] = find()
            _write(path, known)
        return known[name]

    def finished(self) -> list[Checkpoint] | None:
        """Return the checkpoints of a finished run, or None if there is work left.

        So there is, with a notice, where a checkpoint or the record is missing or not what the run saved; of the
        checkpoints, those that are sound stay.
        """
        done = self.path / "done.json"
        if not done.is_file():
            return None
        shutil.rmtree(self.state, ignore_errors=True)
        try:
            saved = dict(read_record(self.path).checkpoints)
        except (ValueError, TypeError, KeyError):
            _LOG.warning("%s is damaged; the run is made again", done)
            saved = {}
        found = self.checkpoints()
        damaged = [checkpoint for checkpoint in found if saved.get(checkpoint.step) != checkpoint.digest]
        if saved and not damaged and len(found) == len(saved):
            return found
        for checkpoint in damaged:
            shutil.rmtree(checkpoint.path)
        if saved:
            lost = sorted(saved.keys() - {checkpoint.step for checkpoint in found if checkpoint not in damaged})
            _LOG.warning("%s: checkpoints missing or changed since they were saved, made again: %s", self.path, lost)
        done.unlink()
        return None

    def checkpoints(self) -> list[Checkpoint]:
        """Return the committed checkpoints, ordered by step (9 before 10)."""
        return [Checkpoint(step, path, model_digest(path)) for step, path in _numbered(self.path)]

    def commit(self, step: int, save: Callable[[Path], None]) -> None:
        """Write a checkpoint with ``save`` and let it appear under its name at once; one that is there is kept."""
        target = self.path / f"checkpoint-{step}"
        if not target.exists():
            with replacing(target) as unfinished:
                unfinished.mkdir()
                save(unfinished)

    def commit_state(self, step: int, cost: Cost) -> None:
        """Mark a Trainer state as complete, with what the run has used up to it."""
        state = self.state / f"checkpoint-{step}"
        sync(state)
        _write(state / _COMMITTED, asdict(cost) | {_CONTENT: _digest_of_state(state)})

    def last_state(self) -> tuple[Path | None, Cost]:
        """Return the newest Trainer state that is as it was saved, and its cost; others are removed with a notice."""
        last, cost = None, Cost()
        for _, path in _numbered(self.state):
            saved = _cost_of_state(path)
            if saved is not None:
                last, cost = path, saved
            else:
                _LOG.warning("training state %s is not finished, or not as it was saved; it is removed", path.name)
                shutil.rmtree(path)
        return last, cost

    def finish(
        self,
        cost: Cost,
        *,
        n_steps: int,
        n_samples: int,
        n_cut: int,
        left_out: dict[str, str],
        micro_batch_size: int,
    ) -> list[Checkpoint]:
        """Write the final record, then drop the resumable states; the arguments are fields of ``TrainingRecord``."""
        checkpoints = self.checkpoints()
        record = TrainingRecord(
            run=self.identity,
            checkpoints=tuple((checkpoint.step, checkpoint.digest) for checkpoint in checkpoints),
            n_steps=n_steps,
            n_samples=n_samples,
            n_samples_seen=cost.n_samples_seen,
            n_cut=n_cut,
            left_out=left_out,
            losses=tuple(cost.losses),
            cpu_seconds=cost.cpu_seconds,
            wall_seconds=cost.wall_seconds,
            peak_memory_bytes=cost.peak_memory_bytes,
            n_features_read=cost.n_features_read,
            micro_batch_size=micro_batch_size,
        )
        _write(self.path / "done.json", asdict(record))
        shutil.rmtree(self.state, ignore_errors=True)
        return checkpoints


def made_before(output: Path, run: str, kept: Path) -> Path:
    """Where a run of this identity has ended, among outputs of one name in sibling folders; else ``output``.

    Args:
        output: Where the run goes.
        run: Digest of all that decides the weights.
        kept: Folder of the folders that outputs lie in.
    """
    if output.is_dir():
        return output
    for done in sorted(kept.glob(f"*/{output.name}/done.json")):
        with suppress(ModelError, OSError):
            if _run_of(done.with_name("run.json")) == run:
                return done.parent
    return output


def read_record(output: Path) -> TrainingRecord:
    """Return what the finished run in ``output`` was and cost.

    Raises:
        ModelError: If no finished run is there.
    """
    path = output / "done.json"
    if not path.is_file():
        raise ModelError(f"{output} holds no finished training run; run the command again, and it goes on")
    values = read_note(path)
    checkpoints = tuple((step, digest) for step, digest in values.pop("checkpoints"))
    return TrainingRecord(checkpoints=checkpoints, losses=tuple(values.pop("losses")), **values)


def usage_of(cost: Cost | TrainingRecord, device: str) -> Usage:
    """What a run has used so far, or used in all, on the device that it ran on."""
    return Usage(cost.cpu_seconds, cost.wall_seconds, cost.wall_seconds if device == "cuda" else 0.0)


def milestones(n_steps: int, n_checkpoints: int) -> list[int]:
    """Steps after which to keep a checkpoint: evenly spaced, rounded up, the last one at the end.

    Raises:
        ModelError: If there are fewer steps than checkpoints.

    Example:
        >>> milestones(10, 4)
        [3, 5, 8, 10]
    """
    if n_steps < n_checkpoints:
        raise ModelError(
            f"{n_steps} training steps cannot give {n_checkpoints} checkpoints; lower n_checkpoints or batch_size, or "
            "raise epochs"
        )
    return [-(-n_steps * number // n_checkpoints) for number in range(1, n_checkpoints + 1)]


def _cost_of_state(state: Path) -> Cost | None:
    """What a run had used when it saved a Trainer state; None if the state is not as it was saved then."""
    try:
        noted = read_note(state / _COMMITTED)
        content = noted.pop(_CONTENT, None)  # earlier versions noted none
        return Cost(**noted) if content in (None, _digest_of_state(state)) else None
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _digest_of_state(state: Path) -> str:
    files = sorted(path for path in state.rglob("*") if path.is_file() and path.name != _COMMITTED)
    return files_digest(files, below=state)


def _numbered(directory: Path) -> list[tuple[int, Path]]:
    matches = ((_NAME.fullmatch(path.name), path) for path in directory.glob("checkpoint-*"))
    return sorted((int(match[1]), path) for match, path in matches if match)


def _run_of(note: Path) -> str:
    try:
        return read_note(note)["run"]
    except (ValueError, TypeError, KeyError):
        raise ModelError(f"{note} is damaged; remove {note.parent}, then run again") from None


def _write(path: Path, content: dict[str, Any]) -> None:
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")
