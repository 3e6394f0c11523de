"""What a subset is and where it came from: enough to make it again and to prove that it is the same."""

import json
import stat
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.contracts.messages import describe_invalid
from xmas_assets.contracts.section import LARGEST_TRAINING_SEED, MOST

_HEX = r"^[0-9a-f]{64}$"
_MAX_BYTES = 1 << 30


def _is_none(value: object) -> bool:
    return value is None


def _is_empty(value: tuple[object, ...]) -> bool:
    return not value


class SourceFile(BaseModel):
    """One annotation file as it was when the dataset was read (its name without folders, and its hash)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="File name without its folders, so that a manifest holds no one's paths.")
    sha256: str = Field(pattern=_HEX, description="Hex SHA-256 of the file's bytes.")


class ExportedFile(BaseModel):
    """The file that a manifest was written with: by it an export is recognised as ours and unchanged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = Field(description="File name without its folders.")
    sha256: str = Field(pattern=_HEX, description="Hex SHA-256 of the file's bytes.")
    format: str = Field(description="The format that was asked for; 'original' for the source's own records.")


class OutsidePackage(BaseModel):
    """An installed package, other than this one, that a selection method or a benchmark comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    distribution: str = Field(description="Its name, as pip knows it.")
    version: str = Field(description="Its version.")


class Exclusion(BaseModel):
    """By which rule rows were left out before anything was selected, and how many."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds: tuple[str, ...] = Field(description="What a row shares with an item: one of these is enough.")
    near_bits: int = Field(ge=0, le=64, description="Pictures whose codes differ in at most this many bits look alike.")
    items: dict[str, str] = Field(
        min_length=1, description="What the rows were compared with: a benchmark's name to its items' content hash."
    )
    n_rows: int = Field(ge=0, le=MOST, description="Rows left out.")


class Manifest(BaseModel):
    """What a subset is. Holds no time and no path: the same selection gives the same bytes.

    The one next to an exported file names that file too; the one that is stored with the subset does not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = Field(default=1, ge=1, le=1, description="Version of this form.")
    dataset: str = Field(description="Name of the dataset.")
    dataset_digest: str = Field(pattern=_HEX, description="Content hash of the samples that were selected from.")
    source_files: tuple[SourceFile, ...] = Field(min_length=1, description="Annotation files, in registered order.")
    n_samples: int = Field(ge=1, le=MOST, description="Rows that were selected from, and those of 'excluded'.")
    excluded: Exclusion | None = Field(
        default=None,
        exclude_if=_is_none,
        description="Rows that no method could select; only where a rule was in force.",
    )
    grown: tuple[Annotated[int, Field(ge=1, le=MOST)], ...] = Field(
        default=(),
        exclude_if=_is_empty,
        description="Rows that there were each time before others came; only where the choices from these were kept.",
    )
    method: str = Field(description="Name of the selection method.")
    method_package: OutsidePackage | None = Field(
        default=None,
        exclude_if=_is_none,
        description="The package that the method comes from; left out for methods of this one.",
    )
    parameters: dict[str, JsonValue] = Field(description="The method's parameters, all of them.")
    budget: str = Field(pattern=r"^\d+\.\d+$", description="Share of the rows that were not excluded.")
    seed: int = Field(ge=0, le=LARGEST_TRAINING_SEED, description="Seed of the selection.")
    n_selected: int = Field(ge=1, le=MOST, description="Rows selected.")
    rows: tuple[int, ...] = Field(description="Positions in the samples table, ascending.")
    sample_ids: tuple[str, ...] = Field(description="Ids of the rows, in the same order.")
    library_versions: dict[str, str] = Field(default_factory=dict, description="Library name to version.")
    upstream: dict[str, str] = Field(default_factory=dict, description="Asset name to data version read.")
    proxy_base: str | None = Field(default=None, description="Digest of the model that the proxy started from.")
    proxy_checkpoints: tuple[str, ...] = Field(
        default=(), description="Digests of the proxy's checkpoints, in step order."
    )
    export: ExportedFile | None = Field(
        default=None, exclude_if=_is_none, description="The exported file; only in its own manifest."
    )

    @property
    def n_excluded(self) -> int:
        """Rows that no method could select."""
        return self.excluded.n_rows if self.excluded else 0

    @model_validator(mode="after")
    def _rows_fit_together(self) -> Self:
        if not self.n_selected == len(self.rows) == len(self.sample_ids):
            raise ValueError(
                f"n_selected {self.n_selected}, {len(self.rows)} rows and {len(self.sample_ids)} sample_ids must agree"
            )
        if any(later <= earlier for earlier, later in zip(self.rows, self.rows[1:], strict=False)):
            raise ValueError("rows must be ascending and unique")
        if self.rows and not 0 <= self.rows[0] <= self.rows[-1] < self.n_samples:
            raise ValueError(f"rows must be in 0..{self.n_samples - 1}")
        if len(set(self.sample_ids)) < len(self.sample_ids):
            raise ValueError("sample_ids must be unique")
        return self

    def to_bytes(self) -> bytes:
        """The file's bytes: JSON with sorted keys, so that equal manifests are equal byte for byte."""
        short = self.model_dump(mode="json", exclude={"rows", "sample_ids"}) | {"rows": [], "sample_ids": []}
        text = json.dumps(short, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
        # What there is one of per row is added as ``indent`` would: the library itself then takes seconds per million.
        for name, values in (("rows", self.rows), ("sample_ids", self.sample_ids)):
            if values:
                items = json.dumps(values, separators=(",\n  ", ""), ensure_ascii=False)[1:-1]
                text = text.replace(f'\n "{name}": []', f'\n "{name}": [\n  {items}\n ]', 1)
        return (text + "\n").encode()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a manifest file.

        Raises:
            SelectionError: If it is missing, too large, not JSON, or not a manifest.
        """
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait
                raise SelectionError(f"{path}: not a regular file; give a *.manifest.json")
            if status.st_size > _MAX_BYTES:
                raise SelectionError(f"{path}: larger than {_MAX_BYTES} bytes; this is not a manifest")
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise SelectionError(f"{path}: cannot be read ({error.strerror}); give a *.manifest.json") from None
        except ValidationError as error:
            raise SelectionError(f"{path}: not a manifest of version 1 ({describe_invalid(error)})") from None
