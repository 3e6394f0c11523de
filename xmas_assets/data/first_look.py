"""What the first records of a dataset hold, as they are understood, before the dataset is read."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from xmas_assets.contracts.errors import ImageError
from xmas_assets.data.columns import renamed
from xmas_assets.data.image_archives import ImageArchive, image_files
from xmas_assets.data.images import ImageRoot
from xmas_assets.data.json_records import RawRecord
from xmas_assets.data.readers import described, detect_container, read_records
from xmas_assets.data.refusals import Rejection
from xmas_assets.data.registration import Registration
from xmas_assets.data.shapes import shape_of, turn_fields
from xmas_assets.data.task_rules import with_task
from xmas_assets.data.validators import NOT_READ, Draft, validate

N_LOOKED_AT = 1000
N_EXAMPLES = 3
_MOST_BYTES = 256 * 1024 * 1024
_OF = {"": "", "turn_": " (of turns)", "question_": " (of questions)"}


@dataclass
class Source:
    """Records of one task: how many, how many of them with pictures, their turns, and their texts' tokens."""

    records: int = 0
    with_images: int = 0
    turns: int = 0
    tokens: int = 0


@dataclass
class FirstLook:
    """What was understood of the first records.

    Attributes:
        files: How many annotation files there are of each form.
        n_records: Records looked at.
        shapes: Accepted records by the fields that hold their turns.
        turns: Turns of each accepted record.
        n_images: Pictures of accepted records.
        n_found: Those that are there, unopened.
        lost: The first that is not, and why.
        read: Records by each field that is read.
        not_read: Records by each field that is not, those of single turns included.
        refused: Refused records by reason.
        first_refused: The first of each reason, in words.
        sources: By task, in the order of their first records; "" for records without one.
        examples: The first accepted records.
    """

    files: Counter[str] = field(default_factory=Counter)
    n_records: int = 0
    shapes: Counter[str] = field(default_factory=Counter)
    turns: list[int] = field(default_factory=list)
    n_images: int = 0
    n_found: int = 0
    lost: str = ""
    read: Counter[str] = field(default_factory=Counter)
    not_read: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    first_refused: dict[str, str] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    examples: list[Draft] = field(default_factory=list)

    def accepted(self) -> int:
        """How many of the records are well formed."""
        return len(self.turns)


def first_look(
    registration: Registration, *, most: int = N_LOOKED_AT, count_tokens: Callable[[str], int] = lambda _: 0
) -> FirstLook:
    """Look at the first records of a dataset's training files; pictures are looked up, and not opened.

    Args:
        registration: Of the dataset.
        most: How many records.
        count_tokens: Gives the tokens of a turn's text.

    Raises:
        DatasetError: If a file is not there, or cannot be read as what it is.
    """
    registration.check_sources()
    look = FirstLook(files=Counter(described(detect_container(path)) for path in registration.annotations))
    root, images = ImageRoot(registration.images), image_files(registration.images)
    for record in _first(registration, most):
        look.n_records += 1
        draft = validate(record, registration.columns)
        if isinstance(draft, Rejection):
            reason = draft.reason.value
            look.refused[reason] += 1
            name = registration.annotations[record.source_file].name
            look.first_refused.setdefault(reason, f"record {record.source_row} of {name}: {draft.detail}")
        else:
            draft = with_task(draft, registration.task_from, root=root)
            _note(look, renamed(record.value, registration.columns), draft, images)
            look.sources[draft.task or ""].tokens += sum(count_tokens(turn.text) for turn in draft.turns)
    return look


def _first(registration: Registration, most: int) -> Iterator[RawRecord]:
    n_bytes = 0
    for record in islice(read_records(registration.annotations, registration.format, registration.columns), most):
        yield record
        n_bytes += record.n_bytes
        if n_bytes > _MOST_BYTES:
            return


def _note(look: FirstLook, record: Mapping[str, Any], draft: Draft, images: ImageRoot | ImageArchive) -> None:
    not_read = [notice.partition(NOT_READ) for notice in draft.notices if NOT_READ in notice]
    look.not_read.update(f"{name}{_OF[prefix]}" for prefix, _, name in not_read)
    hidden = {name for prefix, _, name in not_read if not prefix}
    look.read.update(name for name in record if name not in hidden)
    shape = shape_of(record)
    look.read.update(f"{name}{_OF['turn_']}" for name in turn_fields(record, shape).weights)
    look.shapes[str(shape)] += 1
    look.turns.append(len(draft.turns))
    for image in draft.images:
        problem = _problem(image, images)
        look.n_images += 1
        look.n_found += not problem
        look.lost = look.lost or problem
    source = look.sources.setdefault(draft.task or "", Source())
    source.records += 1
    source.with_images += bool(draft.images)
    source.turns += len(draft.turns)
    if len(look.examples) < N_EXAMPLES:
        look.examples.append(draft)


def _problem(image: str | bytes, files: ImageRoot | ImageArchive) -> str:
    """Why a picture is not there, "" if it is."""
    try:
        if isinstance(image, str):
            files.check(image)
    except ImageError as error:
        return error.detail
    return ""
