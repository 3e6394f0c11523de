"""A dataset's registration: the small YAML file that says where its records and images are. Not their content."""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.contracts.section import MOST
from xmas_assets.data.columns import check_columns
from xmas_assets.data.registration_file import RegistrationFile, absolute, check_absolute
from xmas_assets.data.sources import files_of
from xmas_assets.files.whole import check_readable, file_sha256

Format = Literal["llava_json", "llava_jsonl", "sharegpt", "parquet"]
FORMATS: tuple[str, ...] = get_args(Format)
DuplicateRule = Literal["keep", "quarantine"]
DUPLICATE_RULES: tuple[str, ...] = get_args(DuplicateRule)
TaskRule = Literal["folder"]
TASK_RULES: tuple[str, ...] = get_args(TaskRule)
Generated = Literal["toy"]


class Registration(RegistrationFile):
    """Where a dataset is, how it is read, and with which settings it runs.

    Attributes are the keys of ``<home>/datasets/<name>.yaml``; a person may edit that file.
    """

    kind: ClassVar[str] = "dataset"

    name: str = Field(description="Partition key; equals the file's name without '.yaml'.")
    annotations: tuple[Path, ...] = Field(min_length=1, description="Training records, absolute paths, in order.")
    test: tuple[Path, ...] = Field(default=(), description="Held-out records, absolute paths; may be empty.")
    validation: tuple[Path, ...] = Field(
        default=(),
        description="Records of the target tasks (each row's 'task'), absolute paths, apart from training and test "
        "records; only methods that select for target tasks (less, icons) read them.",
    )
    images: Path | None = Field(
        default=None, description="Folder, ZIP or TAR file that image references are relative to."
    )
    format: Format | None = Field(default=None, description="Format of every file; null detects it file by file.")
    profile: str = Field(default="toy", description="Name of a packaged profile, or path of a YAML file.")
    overrides: dict[str, Any] = Field(default_factory=dict, description="Single settings that differ from the profile.")
    benchmarks: tuple[str, ...] = Field(
        default=(), description="Registered benchmarks that targets are scored on besides the test records."
    )
    duplicates: DuplicateRule = Field(
        default="keep", description="What happens to a record whose id and content both came before."
    )
    exclude_contaminated: bool = Field(
        default=False,
        description="Whether rows that share a picture or a whole question with the benchmarks or the test records are "
        "selected by no method.",
    )
    columns: dict[str, str] | None = Field(
        default=None, description="Names that fields have in the files, with the names that they are read under."
    )
    task_from: TaskRule | None = Field(
        default=None,
        description="Where a record without a task gets one: 'folder', the first folder on its first image's path.",
    )
    grown: tuple[Annotated[int, Field(ge=1, le=MOST)], ...] = Field(
        default=(),
        description="How many rows there were each time before others were appended, ascending. Proxy and warm-up are "
        "trained on the first of these rows only, and what was read of rows is kept; 'xmas dataset grow' writes it.",
    )
    generated: Generated | None = Field(
        default=None, description="'toy' for the toy dataset, which xmas_assets generates; null for data of your own."
    )

    @field_validator("annotations", "test", "validation", "images")
    @classmethod
    def _paths_are_absolute(cls, value: tuple[Path, ...] | Path | None) -> tuple[Path, ...] | Path | None:
        check_absolute(value)
        return value

    @field_validator("columns")
    @classmethod
    def _columns_are_known(cls, value: dict[str, str] | None) -> dict[str, str] | None:
        return check_columns(value) if value else None

    @field_validator("grown")
    @classmethod
    def _counts_ascend(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(not later > earlier for earlier, later in pairwise((0, *value))):
            raise ValueError("must be counts of rows that ascend, such as [1000, 1200]")
        return value

    @model_validator(mode="after")
    def _files_are_distinct(self) -> Self:
        if len(set(self.files())) < len(self.files()):
            raise ValueError("a file is listed twice in annotations, test and validation; list it once")
        if len(set(self.benchmarks)) < len(self.benchmarks):
            raise ValueError("a benchmark is listed twice; list it once")
        return self

    @property
    def n_first(self) -> int | None:
        """Rows that were there first, on which proxy and warm-up are trained; None of a dataset that never grew."""
        return min(self.grown, default=None)

    @classmethod
    def create(cls, name: str, annotations: list[Path], **fields: Any) -> Self:
        """Build a registration from paths as a user types them (relative ones count from the current directory).

        Args:
            name: Dataset name.
            annotations: Annotation files, patterns or folders, as ``sources.files_of`` takes them.
            **fields: The other fields of the class.

        Raises:
            SettingsError: If the name or a field is not allowed.
        """
        fields.setdefault("generated", None)
        fields["annotations"] = files_of(map(absolute, annotations), "train")
        for split in ("test", "validation"):
            fields[split] = files_of(map(absolute, fields.get(split, [])), split)
        if fields.get("images") is not None:
            fields["images"] = absolute(fields["images"])
        if str(fields.get("profile", "")).endswith((".yaml", ".yml")):
            fields["profile"] = str(absolute(fields["profile"]))
        return cls.validated({"name": name, **fields}, where=f"dataset {name[:80]!r}")

    def is_toy(self) -> bool:
        """Whether this is the generated dataset, not a user's own."""
        if "generated" in self.model_fields_set or self.images is None:
            return self.generated == "toy"
        # Registered before there was the field: all that was written then is where the files are, of old in 'embedded'.
        is_place = self.images.parts[-2:] in (("toy", self.name), ("embedded", self.name))
        files = (self.images / "train.json", self.images / "test.json")
        return is_place and (*self.annotations, *self.test) == files

    def files(self) -> tuple[Path, ...]:
        """Every file of records."""
        return (*self.annotations, *self.test, *self.validation)

    def check_sources(self) -> None:
        """Refuse a registration whose files or images are not there.

        Raises:
            DatasetError: Naming the first path that cannot be used.
        """
        for path in self.files():
            check_readable(path)
        if self.images is not None and not (self.images.is_dir() or self.images.is_file()):
            raise DatasetError(
                f"images {str(self.images)!r} is neither a folder nor a ZIP or TAR file; correct 'images' or remove it"
            )

    def image_archive(self) -> Path | None:
        """The ZIP or TAR file of the images; None if they are in a folder, or there are none."""
        return self.images if self.images is not None and self.images.is_file() else None

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
