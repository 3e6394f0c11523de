"""Registrations: small YAML files below the home, one per dataset or benchmark, which a person may edit."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from xmas_assets.contracts.artifacts import check_dataset_name
from xmas_assets.contracts.errors import SettingsError
from xmas_assets.contracts.messages import describe_invalid, one_of
from xmas_assets.data.plain_yaml import read_yaml
from xmas_assets.files.whole import replacing


class RegistrationFile(BaseModel, ABC):
    """What is registered under a name; its attributes are the keys of ``<home>/<kind>s/<name>.yaml``."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

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
            known = cls.names(home)
            remedy = f"{one_of(name, known)}, or register it" if known else "there is none yet; register it"
            raise SettingsError(f"{cls.kind} {name!r} is not registered; {remedy} with: xmas {cls.kind} add")
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


def replace_line(path: Path, field: str, value: Any) -> None:
    """Give a field of a YAML file another value, and leave every other line, comments too, as it is.

    Args:
        path: Of a file of plain values under names.
        field: Whose line, with those below it that are indented, is replaced; a new one comes at the end.
        value: Plain values.
    """
    in_one_line = None if isinstance(value, list | dict) else False  # YAML's own rule would put braces around a number
    line = yaml.safe_dump({field: value}, default_flow_style=in_one_line, sort_keys=False).strip()
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
