"""Single settings by their dotted names, as ``--set proxy.epochs=2`` names them."""

from collections.abc import Iterable, Mapping
from typing import Any

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.contracts.messages import one_of
from xmas_assets.contracts.section import Section, section_of
from xmas_assets.contracts.settings import Settings
from xmas_assets.files.notes import json_value


def parse_settings(texts: Iterable[str]) -> dict[str, Any]:
    """Settings by their dotted names, from texts such as ``proxy.epochs=2``; a value is JSON, or a text.

    Raises:
        SettingsError: If a text is not ``NAME=VALUE``.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise SettingsError(f"--set {text[:80]!r} is not understood; write NAME=VALUE, such as proxy.epochs=2")
        try:
            found[name] = json_value(value)
        except ValueError:
            found[name] = value
    return found


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by dotted names as the sections of a registration's ``overrides``.

    Raises:
        SettingsError: If a name is not that of a setting.
    """
    sections: dict[str, Any] = {}
    for name, value in settings.items():
        _check_name(name)
        *path, last = name.split(".")
        section = sections
        for part in path:
            section = section.setdefault(part, {})
        section[last] = value
    return sections


def _check_name(name: str) -> None:
    """Refuse a name that leads to no setting; below a value that holds names of its own, any is allowed."""
    section: type[Section] | None = Settings
    for part in name.split("."):
        if section is None:
            raise SettingsError(f"setting {name[:80]!r} is not known: it goes on below a value (see docs/settings.md)")
        field = section.model_fields.get(part)
        if field is None:
            known = one_of(part, section.model_fields)
            raise SettingsError(f"setting {name[:80]!r} is not known; for {part[:80]!r} {known}")
        if str(field.annotation).startswith("dict"):
            return
        section = section_of(field)
