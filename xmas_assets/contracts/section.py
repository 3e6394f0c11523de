"""What every section of settings is: frozen values, refused if unknown, hashed by content."""

import hashlib
import json

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo


class Section(BaseModel):
    """Base of all settings: frozen, unknown fields refused, hashable by content."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def digest(self) -> str:
        """Hex SHA-256 of the values, independent of field order."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def bounds(info: FieldInfo) -> str:
    """Numeric bounds of a field, such as `` (>= 0, < 1)``; empty if it has none."""
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    found = [
        f"{sign} {getattr(rule, name)}" for rule in info.metadata for name, sign in signs.items() if hasattr(rule, name)
    ]
    return f" ({', '.join(found)})" if found else ""
