"""What every section of settings is: frozen values, refused if unknown, hashed by content."""

import hashlib
import json
from collections.abc import Container, Iterable, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class _Everything:
    """Contains any value."""

    def __contains__(self, _value: object) -> bool:
        return True


EVERY_VALUE: Container[object] = _Everything()
"""For ``without_effect``: no value of a field has any."""


class Section(BaseModel):
    """Base of all settings: frozen, unknown fields refused, hashable by content."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Values that change nothing that is made, by field. They do not count, so what was made before a field was added
    # stays fresh: give its default, or every value where none changes a result.
    without_effect: ClassVar[Mapping[str, Container[object]]] = {}

    def effective_values(self) -> dict[str, Any]:
        """The values that what is made may depend on, as JSON holds them, by field."""
        return {
            name: value
            for name, value in self.model_dump(mode="json").items()
            if name not in self.without_effect or value not in self.without_effect[name]
        }

    def digest(self) -> str:
        """Hex SHA-256 of the values that have an effect, independent of field order."""
        text = json.dumps(self.effective_values(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def bounds(rules: Iterable[Any]) -> str:
    """Numeric bounds of a field, out of its ``metadata``, such as `` (>= 0, < 1)``; empty if it has none."""
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    found = [f"{sign} {getattr(rule, name)}" for rule in rules for name, sign in signs.items() if hasattr(rule, name)]
    return f" ({', '.join(found)})" if found else ""
