"""Profiles: YAML files of settings, packaged or the user's own, and a registration's overrides on top."""

from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.contracts.messages import describe_invalid, one_of
from xmas_assets.contracts.settings import Settings
from xmas_assets.data.plain_yaml import read_yaml

_PACKAGED = Path(str(files("xmas_assets"))) / "profiles"
_RENAMED = {"tiny": "toy"}  # registrations of older homes hold the former name


class ProfileNotes(NamedTuple):
    """What a packaged profile says of itself in the comment that it begins with.

    Attributes:
        purpose: What it trains.
        source: Where its values come from.
        card: The device that it is meant for.
        memory: The most that any of its trainings takes there, as ``training.memory`` estimates it.
    """

    purpose: str
    source: str
    card: str
    memory: str


def profile_names() -> list[str]:
    """Names of the packaged profiles, sorted."""
    return sorted(path.stem for path in _PACKAGED.glob("*.yaml"))


def load_settings(profile: str, overrides: dict[str, Any]) -> Settings:
    """Settings of a profile with single values replaced.

    Args:
        profile: Name of a packaged profile, or path of a YAML file (recognised by its ``.yaml`` or ``.yml`` ending).
        overrides: Nested values that win over the profile's, for example ``{"proxy": {"epochs": 2}}``.

    Raises:
        SettingsError: If there is no such profile, or a value is unknown or out of bounds.
    """
    merged = merged_settings(read_yaml(profile_path(profile)), overrides)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise SettingsError(f"profile {profile!r} with overrides: {describe_invalid(error)}") from None


def profile_notes(name: str) -> ProfileNotes:
    """What a packaged profile says of itself.

    Raises:
        SettingsError: If there is no packaged profile of this name.
    """
    purpose, *others = profile_path(name).read_text(encoding="utf-8").splitlines()[:4]
    source, card, memory = (line.partition(": ")[2] for line in others)
    return ProfileNotes(purpose.removeprefix("# "), source, card, memory)


PROFILE_COLUMNS = ("profile", "models", "card", "memory", "source")


def profile_rows() -> list[tuple[str, ...]]:
    """The packaged profiles as a table, in the order of their names; models are the proxy's and the targets'."""
    rows = []
    for name in profile_names():
        settings, notes = load_settings(name, {}), profile_notes(name)
        models = dict.fromkeys((settings.base_model.source, settings.target_base.source))
        rows.append((name, ", ".join(models), notes.card, notes.memory, notes.source))
    return rows


def profile_path(profile: str) -> Path:
    """File of a profile.

    Raises:
        SettingsError: If there is no packaged profile of this name.
    """
    if profile.endswith((".yaml", ".yml")):
        return Path(profile)
    name = _RENAMED.get(profile, profile)
    if name not in profile_names():
        raise SettingsError(
            f"profile {profile[:80]!r} is not known; {one_of(name, profile_names())}, or the path of a .yaml file"
        )
    return _PACKAGED / f"{name}.yaml"


def merged_settings(base: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Nested values with single ones replaced; those of ``overrides`` win."""
    merged = dict(base)
    for name, value in overrides.items():
        below = merged.get(name)
        merged[name] = merged_settings(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged
