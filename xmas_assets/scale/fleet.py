"""The machines that work is planned for: cards by name, what they can do, and how much of it work is taken to reach."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from xmas_assets.contracts.calibration import Calibration, Card, Kind, Range
from xmas_assets.contracts.errors import SettingsError
from xmas_assets.contracts.messages import describe_invalid, one_of
from xmas_assets.data.plain_yaml import read_yaml

_FLEET = re.compile(r"(?:(\d{1,6})x)?([\w.+-]{1,60})")
_CARDS = TypeAdapter(dict[str, Card])
_ASSUMED = TypeAdapter(dict[Kind, Range])


@dataclass(frozen=True)
class Fleet:
    """Cards of one kind in one machine, or in several that share the work.

    Attributes:
        n_cards: How many.
        name: The card's.
        card: What it can do.
        shares: Least and most of its peak that work is taken to reach, by the work's kind.
        stated: Kinds whose share a calibration states; of the others it is an assumption.
    """

    n_cards: int
    name: str
    card: Card
    shares: Mapping[Kind, Range]
    stated: frozenset[Kind] = frozenset()

    @classmethod
    def of(cls, text: str, calibration: Calibration) -> "Fleet":
        """The fleet that ``8xH100`` or ``H100`` names.

        Raises:
            SettingsError: If that is not its form, or the card is not known.
        """
        matched = _FLEET.fullmatch(text)
        n_cards = int(matched[1] or 1) if matched else 0
        if matched is None or n_cards == 0:
            raise SettingsError(f"--on {text[:80]!r} is not a number of cards; write, for instance, 8xH100, or here")
        assumed, cards = known_cards()
        cards |= calibration.cards
        names = {name.casefold(): name for name in cards}
        name = names.get(matched[2].casefold())
        if name is None:
            raise SettingsError(
                f"card {matched[2]!r} is not known; {one_of(matched[2], sorted(cards))}, or describe it under 'cards' "
                "in a calibration file"
            )
        card = cards[name]
        return cls(n_cards, name, card, assumed | card.utilization, frozenset(card.utilization))


def known_cards() -> tuple[dict[Kind, Range], dict[str, Card]]:
    """The shares that are assumed of any card, and the cards that come with the package, by name."""
    content = read_yaml(Path(str(files("xmas_assets"))) / "scale" / "cards.yaml")
    return _ASSUMED.validate_python(content["assumed"]), _CARDS.validate_python(content["cards"])


def read_calibration(path: Path) -> Calibration:
    """The calibration in a YAML file.

    Raises:
        SettingsError: If it cannot be read, or holds something else.
    """
    try:
        return Calibration.model_validate(read_yaml(path))
    except ValidationError as error:
        raise SettingsError(f"{path}: {describe_invalid(error)}") from None
