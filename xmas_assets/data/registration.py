"""A dataset's registration: the small YAML file that says where its records and images are. Not their content."""

from pathlib import Path
from typing import Any, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from xmas_assets.contracts.artifacts import check_dataset_name
from xmas_assets.contracts.errors import DatasetError, SettingsError
from xmas_assets.contracts.messages import describe_invalid
from xmas_assets.files.whole import check_readable, file_sha256, replacing

Format = Literal["llava_json", "llava_jsonl", "sharegpt", "parquet"]
FORMATS: tuple[str, ...] = get_args(Format)
DuplicateRule = Literal["keep", "quarantine"]
DUPLICATE_RULES: tuple[str, ...] = get_args(DuplicateRule)
_MAX_YAML_BYTES = 1_000_000


class Registration(BaseModel):
    """Where a dataset is, how it is read, and with which settings it runs.

    Attributes are the keys of ``<home>/datasets/<name>.yaml``; a person may edit that file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="Partition key; equals the file's name without '.yaml'.")
    annotations: tuple[Path, ...] = Field(min_length=1, description="Training records, absolute paths, in order.")
    test: tuple[Path, ...] = Field(default=(), description="Held-out records, absolute paths; may be empty.")
    validation: tuple[Path, ...] = Field(
        default=(),
        description="Records of the target tasks (each row's 'task'), absolute paths, apart from training and test "
        "records; only methods that select for target tasks (less, icons) read them.",
    )
    images: Path | None = Field(default=None, description="Folder that image references are relative to.")
    format: Format | None = Field(default=None, description="Format of every file; null detects it file by file.")
    profile: str = Field(default="toy", description="Name of a packaged profile, or path of a YAML file.")
    overrides: dict[str, Any] = Field(default_factory=dict, description="Single settings that differ from the profile.")
    duplicates: DuplicateRule = Field(
        default="keep", description="What happens to a record whose id and content both came before."
    )

    @field_validator("name")
    @classmethod
    def _name_is_allowed(cls, value: str) -> str:
        return check_dataset_name(value)

    @field_validator("annotations", "test", "validation", "images")
    @classmethod
    def _paths_are_absolute(cls, value: tuple[Path, ...] | Path | None) -> tuple[Path, ...] | Path | None:
        for path in value if isinstance(value, tuple) else (value,):
            if path is not None and not path.is_absolute():
                raise ValueError("paths must be absolute")
        return value

    @model_validator(mode="after")
    def _files_are_distinct(self) -> Self:
        files = [*self.annotations, *self.test, *self.validation]
        if len(set(files)) < len(files):
            raise ValueError("a file is listed twice in annotations, test and validation; list it once")
        return self

    @classmethod
    def create(cls, name: str, annotations: list[Path], **fields: Any) -> Self:
        """Build a registration from paths as a user types them (relative ones count from the current directory).

        Args:
            name: Dataset name.
            annotations: Annotation files.
            **fields: The other fields of the class.

        Raises:
            SettingsError: If the name or a field is not allowed.
        """
        fields["annotations"] = [Path(path).expanduser().absolute() for path in annotations]
        for split in ("test", "validation"):
            fields[split] = [Path(path).expanduser().absolute() for path in fields.get(split, [])]
        if fields.get("images") is not None:
            fields["images"] = Path(fields["images"]).expanduser().absolute()
        if str(fields.get("profile", "")).endswith((".yaml", ".yml")):
            fields["profile"] = str(Path(fields["profile"]).expanduser().absolute())
        return cls._validated({"name": name, **fields}, where=f"dataset {name[:80]!r}")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a registration file.

        Raises:
            SettingsError: If it is missing, not plain YAML, has a wrong field, or is named after another dataset.
        """
        fields = read_yaml(path)
        registration = cls._validated(fields, where=str(path))
        if registration.name != path.stem:
            raise SettingsError(
                f"{path}: name {registration.name!r} differs from the file's name; rename the file to "
                f"{registration.name}.yaml or write name: {path.stem}"
            )
        return registration

    @classmethod
    def _validated(cls, fields: dict[str, Any], *, where: str) -> Self:
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            allowed = ", ".join(cls.model_fields)
            raise SettingsError(f"{where}: {describe_invalid(error)}; the fields are {allowed}") from None

    def save(self, home: Path) -> Path:
        """Write ``<home>/datasets/<name>.yaml``, replacing an older one at once, and return its path."""
        target = registration_path(home, self.name)
        text = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        with replacing(target) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
        return target

    def check_sources(self) -> None:
        """Refuse a registration whose files or image folder are not there.

        Raises:
            DatasetError: Naming the first path that cannot be used.
        """
        for path in (*self.annotations, *self.test, *self.validation):
            check_readable(path)
        if self.images is not None and not self.images.is_dir():
            raise DatasetError(f"images folder {str(self.images)!r} is not a directory; correct 'images' or remove it")

    def of_validation(self) -> Self:
        """This registration with the validation files as its only records.

        Raises:
            DatasetError: If there are none; raised before anything is read or trained.
        """
        if not self.validation:
            raise DatasetError(
                f"dataset {self.name!r} has no validation records, which tell less and icons what to select for; write "
                f"'validation: [FILE]' into datasets/{self.name}.yaml, or add the dataset with --validation FILE: rows "
                "of the target tasks, named by their 'task', that are not among the training and test records"
            )
        return self.model_copy(update={"annotations": self.validation, "test": (), "validation": ()})

    def source_hashes(self) -> tuple[str, ...]:
        """Hex SHA-256 of each annotation file, then of each test file.

        Raises:
            DatasetError: If a file cannot be read.
        """
        return tuple(file_sha256(path) for path in (*self.annotations, *self.test))


def registration_path(home: Path, name: str) -> Path:
    """Where the registration of a dataset lies.

    Raises:
        SettingsError: If the name is not allowed (so a name can never lead out of ``home``).
    """
    return home / "datasets" / f"{check_dataset_name(name)}.yaml"


def load_registration(home: Path, name: str) -> Registration:
    """Read the registration of one dataset.

    Raises:
        SettingsError: If there is none, or it is not valid.
    """
    path = registration_path(home, name)
    if not path.is_file():
        known = ", ".join(registered_names(home)) or "none yet"
        raise SettingsError(f"dataset {name!r} is not registered; registered: {known}; use 'xmas dataset add'")
    return Registration.load(path)


def registered_names(home: Path) -> list[str]:
    """Names of the registered datasets, sorted, without opening their files."""
    return sorted(path.stem for path in (home / "datasets").glob("*.yaml") if not path.name.startswith("."))


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
