"""Which picture each ``<image>`` mark of a record stands for."""

from collections.abc import Sequence

from xmas_assets.contracts.samples import IMAGE_MARK, Reason, Turn
from xmas_assets.data.image_values import ImageValue
from xmas_assets.data.refusals import RefusedError
from xmas_assets.data.turn_texts import Place, with_own_marks


def placed(
    turns: list[Turn], places: Sequence[Place], images: tuple[ImageValue, ...], *, images_first: bool, field: str
) -> tuple[list[Turn], tuple[ImageValue, ...], tuple[str, ...]]:
    """Give each mark its picture.

    Args:
        turns: In order, the first user turn among the first two.
        places: What the marks in the user turns stand for.
        images: The pictures of the record's image field.
        images_first: Pictures without a single mark stand before the first question; otherwise they are refused.
        field: Name of the image field, for messages.

    Returns:
        The turns, a picture for each mark in them, and the notices of what was changed.

    Raises:
        RefusedError: If there are not as many marks as pictures; nothing is guessed.
    """
    notices: tuple[str, ...] = ()
    mark = IMAGE_MARK
    if not places:
        turns, places, other = with_own_marks(turns)
        mark, notices = (other, ("other_image_marks",)) if other else (mark, ())
    if not places and images and images_first:
        return _before_the_first_question(turns, len(images)), images, ("image_marks_added",)
    chosen = _chosen(places, images)
    if chosen is None:
        seen = f" of {field!r}" if field and field not in ("image", "images") else ""
        marks = f"{len(places)} {ascii(mark[:100])[1:-1]} marks"
        raise RefusedError(Reason.IMAGE_COUNT, f"{marks} for {len(images)} images{seen}")
    return turns, chosen, notices


def _chosen(places: Sequence[Place], images: tuple[ImageValue, ...]) -> tuple[ImageValue, ...] | None:
    """The picture of each mark; None if a mark has none, or a picture no mark."""
    if places.count(None) == len(places) == len(images):
        return images
    numbers = {place for place in places if isinstance(place, int)}
    if numbers:
        is_complete = numbers == set(range(1, len(images) + 1)) and len(places) == sum(
            isinstance(place, int) for place in places
        )
        return tuple(images[place - 1] for place in places if isinstance(place, int)) if is_complete else None
    own = tuple(place for place in places if place is not None and not isinstance(place, int))
    if len(own) == len(places) and images in ((), own):  # some write the pictures of the parts a second time
        return own
    if len(places) - len(own) != len(images):
        return None
    rest = iter(images)
    return tuple(next(rest) if place is None or isinstance(place, int) else place for place in places)


def _before_the_first_question(turns: list[Turn], n_images: int) -> list[Turn]:
    first = next(index for index, turn in enumerate(turns) if turn.role == "user")
    with_marks = turns[first]._replace(text=(IMAGE_MARK + "\n") * n_images + turns[first].text)
    return [*turns[:first], with_marks, *turns[first + 1 :]]
