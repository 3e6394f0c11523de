"""What stages were seen to take: by earlier runs of this home, or by a calibration; as rates for other sizes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median

from xmas_assets.contracts.artifacts import SelectionKey, budget_count, parse_partition
from xmas_assets.contracts.calibration import Calibration, Line, StageRate
from xmas_assets.contracts.errors import SettingsError
from xmas_assets.contracts.messages import one_of
from xmas_assets.contracts.signals import SIGNAL_ASSETS
from xmas_assets.contracts.usage import Usage
from xmas_assets.files.space import folder_bytes
from xmas_assets.home.home import Home
from xmas_assets.home.records import held_out_questions
from xmas_assets.scale.fleet import read_calibration
from xmas_assets.scale.stage_work import Job, stage_work
from xmas_assets.stages.prepared import PREPARED, partition_of
from xmas_assets.stages.subsets import selectable_rows

OF_SELECTIONS = ("selected_subset", "target_model", "benchmark_scores")
"""Stages that are made of each selection."""
STAGES = (
    *("raw_dataset", "base_model", "target_base", "proxy_checkpoints", "validation_samples"),
    *(asset for asset in SIGNAL_ASSETS if asset != "raw_dataset"),
    *(PREPARED, *OF_SELECTIONS),
)
"""All stages that something is known of, in the order that they are made in."""
_MOST_LOOKED_AT = 100  # selections of which the median is taken


@dataclass(frozen=True)
class Rates:
    """What stages of a dataset take.

    Attributes:
        home: The platform's folder.
        dataset: Dataset name.
        calibration: Measured or written; an empty one if there is none.
        wins: Whether the calibration goes before what earlier runs of the dataset took.
    """

    home: Home
    dataset: str
    calibration: Calibration
    wins: bool = False
    _known: dict[str, tuple[StageRate | None, str]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def open(cls, home: Home, dataset: str, calibration: Path | None = None) -> "Rates":
        """Those of a file, or else of this home.

        Raises:
            SettingsError: If the file cannot be used.
        """
        stored = home.calibration(dataset)
        given = calibration or (stored if stored.exists() else None)
        read = Calibration() if given is None else read_calibration(given)
        for name in read.stages:
            if name.partition(":")[0] not in STAGES:
                known = one_of(name, STAGES)
                raise SettingsError(f"{given}: stages.{name[:80]} is no stage; {known}, or STAGE:METHOD")
        return cls(home, dataset, read, wins=calibration is not None)

    def of(self, stage: str) -> tuple[StageRate | None, str]:
        """A stage's rate, and where it is from; None and nothing if it was never measured.

        Args:
            stage: An asset; or of one method only ``prepared:METHOD`` and ``selected_subset:METHOD``.
        """
        if stage not in self._known:
            self._known[stage] = self._find(stage)
        return self._known[stage]

    def _find(self, stage: str) -> tuple[StageRate | None, str]:
        calibrated = _named(self.calibration, stage)
        if self.wins and calibrated is not None:
            return calibrated, "calibration"
        own = past_rate(self.home, self.dataset, stage)
        if own is not None:
            return own, "this dataset"
        if calibrated is not None:
            return calibrated, "calibration"
        for other in _alike(self.home, self.dataset):
            rate = past_rate(self.home, other, stage)
            if rate is not None and not (rate.cpu_seconds and rate.cpu_seconds[0]):  # of which units are known
                return rate, other
        return None, ""

    def job(self, n_rows: int | None = None) -> Job | None:
        """What is to be done with the dataset, with other rows than it has if these are given; None if it has none."""
        facts = self.calibration.data
        stated = facts.n_rows if facts is not None else None
        n_rows = n_rows or (stated if self.wins else None) or rows_of(self.home, self.dataset) or stated
        if n_rows is None:
            return None
        base, target = self.calibration.base_model, self.calibration.target_base
        settings = self.home.settings(self.dataset)
        questions = facts.n_questions if facts is not None and facts.n_questions is not None else None
        if questions is None:
            questions = questions_of(self.home, self.dataset)
        return Job(settings, n_rows, questions, data=facts, base_model=base, target_base=target or base)


def past_rate(home: Home, dataset: str, stage: str) -> StageRate | None:
    """What a stage took of a dataset by its units, the median over its selections; None if it was never made."""
    n_rows = rows_of(home, dataset)
    if n_rows is None:
        return None
    job = Job(home.settings(dataset), n_rows, questions_of(home, dataset))
    seen: list[tuple[float | None, Usage, int]] = []
    for n_selected, partition in islice(_made(home, dataset, stage, n_rows), _MOST_LOOKED_AT):
        asset = stage.partition(":")[0]
        units, usage = stage_work(stage, job, n_selected=n_selected).units, home.costs.of(partition, asset)
        if usage is not None and units != 0:
            seen.append((units, usage, stage_bytes(home, asset, partition)))
    if not seen:
        return None
    clock = [(units, usage.wall_seconds) for units, usage, _ in seen if usage.wall_seconds is not None]
    return StageRate(
        device="gpu" if any(usage.device == "gpu" for _, usage, _ in seen) else "cpu",
        cpu_seconds=_middle((units, usage.cpu_seconds) for units, usage, _ in seen),
        clock_seconds=_middle(clock) if clock else None,
        disk_bytes=_middle((units, size) for units, _, size in seen),
    )


def _middle(seen: Iterable[tuple[float | None, float]]) -> Line:
    """The median by unit; where units are not known, as it was."""
    pairs = list(seen)
    middle = median(value / (units or 1) for units, value in pairs)
    return (middle, 0.0) if pairs[0][0] is None else (0.0, middle)


def stage_bytes(home: Home, stage: str, partition: str) -> int:
    """What a stage's tables and its work take on disk."""
    return folder_bytes(home.table_directory(stage, partition), home.works(stage, partition))


def rows_of(home: Home, dataset: str) -> int | None:
    """Rows of a dataset that can be selected; None if it was not read yet."""
    return selectable_rows(home, dataset) if home.is_stored("raw_dataset", dataset) else None


def questions_of(home: Home, dataset: str) -> int | None:
    """Test questions that targets are asked; None if the dataset was not read yet."""
    if not home.is_stored("raw_dataset", dataset):
        return None
    n_questions = len(held_out_questions(home.stored("raw_dataset", dataset)))
    return min(n_questions, home.settings(dataset).benchmark.max_questions or n_questions)


def _made(home: Home, dataset: str, stage: str, n_rows: int) -> Iterator[tuple[int, str]]:
    """The partitions of which a stage may have been made, with how many rows were selected."""
    asset, _, method = stage.partition(":")
    if asset == PREPARED:
        yield 0, partition_of(dataset, method)
    elif asset not in OF_SELECTIONS:
        yield 0, dataset
    else:
        keys = list(_selections(home, dataset))
        for key in [key for key in keys if key.method == method] or keys:
            yield budget_count(key.budget, n_rows), f"{dataset}|{key}"


def _named(calibration: Calibration, stage: str) -> StageRate | None:
    return calibration.stages.get(stage) or calibration.stages.get(stage.partition(":")[0])


def _selections(home: Home, dataset: str) -> Iterable[SelectionKey]:
    return (parse_partition(partition)[1] for partition in home.stored_partitions("selected_subset", dataset))


def _alike(home: Home, dataset: str) -> list[str]:
    """Other datasets that are run with the same model."""
    model = home.settings(dataset).base_model
    return [name for name in home.datasets() if name != dataset and home.settings(name).base_model == model]
