"""What every section of settings is: frozen values, refused if unknown, hashed by content."""

import hashlib
import json
from collections.abc import Container, Iterable, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

# The bounds of numbers are far above what any machine does; they refuse what would fail late, overflow or never end.
MOST = 10**9
"""Of anything that is counted: rows, steps, tokens."""
MOST_THREADS = 4096
LARGEST_SEED = 2**63 - 1
LARGEST_TRAINING_SEED = 2**32 - 1  # of NumPy's generator of old, which transformers seeds too


class _Everything:
    """Contains any value."""

    def __contains__(self, _value: object) -> bool:
        return True


EVERY_VALUE: Container[object] = _Everything()
"""For ``without_effect``: no value of a field has any."""


class Section(BaseModel):
    """Base of all settings: frozen, unknown fields and numbers that are not finite refused, hashable by content."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

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


def section_of(field: FieldInfo) -> type[Section] | None:
    """The section that a field holds, or may hold; None if it is a value."""
    kinds = getattr(field.annotation, "__args__", (field.annotation,))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), None)


def bounds(rules: Iterable[Any]) -> str:
    """Numeric bounds of a field, out of its ``metadata``, such as `` (>= 0, < 1)``; empty if it has none."""
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    given = [(sign, getattr(rule, name)) for rule in rules for name, sign in signs.items() if hasattr(rule, name)]
    found = [f"{sign} {limit:,}" if isinstance(limit, int) else f"{sign} {limit:g}" for sign, limit in given]
    return f" ({', '.join(found)})" if found else ""
