"""What one training example is, and why a record may be refused."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple


class Turn(NamedTuple):
    """One message: who speaks, and the text (``<image>`` marks the place of an image)."""

    role: Literal["system", "user", "assistant"]
    text: str


IMAGE_MARK = "<image>"


def without_image_marks(text: str) -> str:
    """The words of a turn, each run of white space and image marks between them as one space."""
    return " ".join(text.replace(IMAGE_MARK, " ").split())


@dataclass(frozen=True)
class Sample:
    """One validated example.

    Attributes:
        sample_id: Unique and stable within its dataset and split.
        turns: Messages in order, at least one user turn followed by its assistant turn.
        images: References for ``open_image``, in the order of the ``<image>`` marks in the turns.
        image_hashes: SHA-256 (hex) of each image file's bytes, aligned with ``images``.
        task: The source's task name, if it has one.
        loss_weights: Of each assistant turn, by what the losses of its tokens are multiplied; empty where all are 1.
            A turn of weight 0 is context: it is read by the model, and nothing of it is learned.
    """

    sample_id: str
    turns: tuple[Turn, ...]
    images: tuple[str, ...] = ()
    image_hashes: tuple[str, ...] = ()
    task: str | None = None
    loss_weights: tuple[float, ...] = ()

    @property
    def first_image_hash(self) -> str:
        """SHA-256 (hex) of the first image, "" without one."""
        return self.image_hashes[0] if self.image_hashes else ""


class Reason(StrEnum):
    """Why a record was quarantined, or left out by a model. The value is the code in tables and records."""

    BAD_JSON = "bad_json"
    BAD_ENCODING = "bad_encoding"
    BAD_TEXT = "bad_text"
    BAD_ID = "bad_id"
    DUPLICATE = "duplicate"
    NO_CONVERSATION = "no_conversation"
    BAD_TURN_ORDER = "bad_turn_order"
    UNKNOWN_ROLE = "unknown_role"
    EMPTY_ANSWER = "empty_answer"
    NOTHING_TO_LEARN = "nothing_to_learn"
    BAD_VALUE = "bad_value"
    BAD_IMAGE_FIELD = "bad_image_field"
    IMAGE_COUNT = "image_count"
    IMAGE_IN_ANSWER = "image_in_answer"
    BOX_COUNT = "box_count"
    OTHER_MEDIUM = "other_medium"
    TOO_LARGE = "too_large"
    TOO_LONG = "too_long"
    IMAGE_MISSING = "image_missing"
    IMAGE_EMPTY = "image_empty"
    IMAGE_CORRUPT = "image_corrupt"
    IMAGE_FORMAT = "image_format"
    IMAGE_SHAPE = "image_shape"
    IMAGE_TOO_LARGE = "image_too_large"
    IMAGE_OUTSIDE_ROOT = "image_outside_root"
    IMAGE_NOT_A_FILE = "image_not_a_file"
    IMAGE_UNREADABLE = "image_unreadable"
    IMAGE_CHANGED = "image_changed"
    IMAGE_REFUSED = "image_refused"
    FORGOTTEN = "forgotten"
