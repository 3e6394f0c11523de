"""A benchmark's registration: which benchmark it is, where its official files and images are, how models are asked."""

from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from xmas_assets.contracts.annotation import JudgeSettings
from xmas_assets.contracts.errors import DatasetError
from xmas_assets.contracts.samples import IMAGE_MARK
from xmas_assets.data.registration_file import RegistrationFile, absolute, check_absolute
from xmas_assets.files.whole import check_readable

PROMPT = "{prompt}"
_GENERATE, _LLAVA = "generate", "llava"


class BenchmarkRegistration(RegistrationFile):
    """Where a benchmark's files are; the attributes are the keys of ``<home>/benchmarks/<name>.yaml``."""

    kind: ClassVar[str] = "benchmark"

    form: str = Field(description="Which benchmark this is, or whose official form its files have: vqav2, pope, ...")
    questions: tuple[Path, ...] = Field(min_length=1, description="Official question files, absolute paths.")
    annotations: Path | None = Field(default=None, description="Official file of right answers, if it is another.")
    images: Path | None = Field(default=None, description="Folder of the images, unless the question file holds them.")
    prompt: str = Field(
        default=PROMPT,
        max_length=10_000,
        description="The prompt of a model; '{prompt}' stands for the benchmark's own prompt.",
    )
    max_new_tokens: int | None = Field(
        default=None, ge=1, le=8192, description="Longest answer, tokens; null: as the benchmark needs."
    )

    # Left out where they are the default, so that what was registered before they were added keeps its version.
    answering: Literal["generate", "likelihood"] = Field(
        default=_GENERATE,
        exclude_if=_GENERATE.__eq__,
        description="How models answer: in words of their own, or by the option that they find most likely.",
    )
    prompt_style: Literal["llava", "family"] = Field(
        default=_LLAVA,
        exclude_if=_LLAVA.__eq__,
        description="Whose prompt is the benchmark's own: LLaVA-1.5's, or that which the model's family published.",
    )
    judge: JudgeSettings | None = Field(
        default=None,
        exclude_if=lambda judge: judge is None,
        description="Who judges the answers to mmvet, llavabench or owleval; null: they are not scored.",
    )

    @field_validator("questions", "annotations", "images")
    @classmethod
    def _paths_are_absolute(cls, value: tuple[Path, ...] | Path | None) -> tuple[Path, ...] | Path | None:
        check_absolute(value)
        return value

    @field_validator("prompt")
    @classmethod
    def _prompt_has_its_place(cls, value: str) -> str:
        if value.count(PROMPT) != 1:
            raise ValueError("write '{prompt}' once, where the benchmark's own prompt stands")
        if IMAGE_MARK in value:
            raise ValueError(f"leave out {IMAGE_MARK!r}; a question's images are put before the prompt")
        return value

    @model_validator(mode="after")
    def _an_option_has_no_length(self) -> Self:
        if self.answering == "likelihood" and (self.max_new_tokens is not None or self.prompt_style == "family"):
            raise ValueError("likelihood ranks given options after the bare question; leave out the other settings")
        return self

    @classmethod
    def create(cls, name: str, questions: list[Path], **fields: Any) -> Self:
        """Build a registration from paths as a user types them (relative ones count from the current directory).

        Args:
            name: Benchmark name.
            questions: Question files.
            **fields: The other fields of the class; ``form`` is the name if it is left out.

        Raises:
            SettingsError: If the name or a field is not allowed.
        """
        paths = {field: absolute(fields[field]) for field in ("annotations", "images") if fields.get(field) is not None}
        given = {"form": fields.get("form") or name, "questions": [absolute(path) for path in questions]}
        return cls.validated(fields | paths | given | {"name": name}, where=f"benchmark {name[:80]!r}")

    def files(self) -> tuple[Path, ...]:
        """Every file that is read, but for the images."""
        return (*self.questions, *([self.annotations] if self.annotations else []))

    def check_sources(self) -> None:
        """Refuse a registration whose files or image folder are not there.

        Raises:
            DatasetError: Naming the first path that cannot be used.
        """
        for path in self.files():
            check_readable(path)
        if self.images is not None and not self.images.is_dir():
            raise DatasetError(f"images folder {str(self.images)!r} is not a directory; correct 'images' or remove it")
