"""Registrations: small YAML files below the home, one per dataset or benchmark, which a person may edit."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from xmas_assets.contracts.artifacts import check_dataset_name
from xmas_assets.contracts.errors import SettingsError
from xmas_assets.contracts.messages import describe_invalid
from xmas_assets.files.whole import replacing

_MAX_YAML_BYTES = 1_000_000


class RegistrationFile(BaseModel, ABC):
    """What is registered under a name; its attributes are the keys of ``<home>/<kind>s/<name>.yaml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    """What is registered: the word of messages and of the command that adds one."""

    name: str = Field(description="Equals the file's name without '.yaml'.")

    @field_validator("name")
    @classmethod
    def _name_is_allowed(cls, value: str) -> str:
        return check_dataset_name(value)

    @classmethod
    def path(cls, home: Path, name: str) -> Path:
        """Where the registration of a name lies.

        Raises:
            SettingsError: If the name is not allowed (so a name can never lead out of ``home``).
        """
        return home / f"{cls.kind}s" / f"{check_dataset_name(name)}.yaml"

    @classmethod
    def names(cls, home: Path) -> list[str]:
        """The registered names, sorted, without opening their files."""
        return sorted(path.stem for path in (home / f"{cls.kind}s").glob("*.yaml") if not path.name.startswith("."))

    @classmethod
    def named(cls, home: Path, name: str) -> Self:
        """Read the registration of one name.

        Raises:
            SettingsError: If there is none, or it is not valid.
        """
        path = cls.path(home, name)
        if not path.is_file():
            known = ", ".join(cls.names(home)) or "none yet"
            raise SettingsError(
                f"{cls.kind} {name!r} is not registered; registered: {known}; use 'xmas {cls.kind} add'"
            )
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a registration file.

        Raises:
            SettingsError: If it is missing, not plain YAML, has a wrong field, or is named after something else.
        """
        registration = cls.validated(read_yaml(path), where=str(path))
        if registration.name != path.stem:
            raise SettingsError(
                f"{path}: name {registration.name!r} differs from the file's name; rename the file to "
                f"{registration.name}.yaml or write name: {path.stem}"
            )
        return registration

    @classmethod
    def validated(cls, fields: dict[str, Any], *, where: str) -> Self:
        """The registration with these fields; ``SettingsError``, beginning with ``where``, if one is not allowed."""
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            allowed = ", ".join(cls.model_fields)
            raise SettingsError(f"{where}: {describe_invalid(error)}; the fields are {allowed}") from None

    @abstractmethod
    def files(self) -> tuple[Path, ...]:
        """The files that it names, but for images."""

    def save(self, home: Path) -> Path:
        """Write the registration's file, replacing an older one at once, and return its path."""
        target = self.path(home, self.name)
        text = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        with replacing(target) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
        return target


def replace_line(path: Path, field: str, value: list[str]) -> None:
    """Give a field of a YAML file another list of names, and leave every other line, comments too, as it is."""
    line = yaml.safe_dump({field: value}, default_flow_style=None).strip()
    kept: list[str] = []
    is_inside = False
    for old in path.read_text(encoding="utf-8").splitlines():
        is_inside = old.startswith(f"{field}:") or (is_inside and old.startswith((" ", "-")))
        if not is_inside:
            kept.append(old)
    with replacing(path) as unfinished:
        unfinished.write_text("\n".join([*kept, line]) + "\n", encoding="utf-8")


def absolute(path: str | Path) -> Path:
    """A path as a user types it: '~' and relative ones count from the home and the current directory."""
    return Path(path).expanduser().absolute()


def check_absolute(value: tuple[Path, ...] | Path | None) -> None:
    """Refuse relative paths, in a file of which nobody knows where they would count from; ``ValueError``."""
    for path in value if isinstance(value, tuple) else (value,):
        if path is not None and not path.is_absolute():
            raise ValueError("paths must be absolute")


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that must hold plain values under names; objects and code are refused.

    Raises:
        SettingsError: If it cannot be read, is too large, is not plain YAML or is not a mapping.
    """
    try:
        if path.stat().st_size > _MAX_YAML_BYTES:
            raise SettingsError(f"{path}: larger than {_MAX_YAML_BYTES} bytes; this is not a settings file")
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read ({error}); give a UTF-8 YAML file") from None
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())[:200]
        raise SettingsError(f"{path}: not plain YAML ({problem}); use names, texts, numbers and lists only") from None
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise SettingsError(f"{path}: holds a {type(content).__name__}, must hold 'name: value' lines")
    return content
