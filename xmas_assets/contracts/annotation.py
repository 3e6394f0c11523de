"""Settings of external signals, which the proxy does not make: embeddings, tags, ratings, and the models for them."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from xmas_assets.contracts.messages import UNSHOWN
from xmas_assets.contracts.section import MOST, MOST_THREADS, Section


def _matching(pattern: str, remedy: str) -> AfterValidator:
    """Refuse other texts without repeating them: they may hold a key."""

    def check(value: str | None) -> str | None:
        if value is not None and re.fullmatch(pattern, value) is None:
            raise PydanticCustomError(UNSHOWN, remedy)  # pyright: ignore[reportArgumentType]
        return value

    return AfterValidator(check)


class EndpointSettings(Section):
    """A chat model: a local server (vLLM, llama.cpp, Ollama) or a service."""

    url: Annotated[str, _matching(r"https?://[^/@?\s]+(/[^?\s]*)?", "give http(s)://HOST/v1 with no key in it")] = (
        Field(
            description="Address up to '/v1', such as http://127.0.0.1:8000/v1; without a password or key in it.",
        )
    )
    model: str = Field(min_length=1, description="Model name as the endpoint knows it.")
    key_variable: Annotated[str | None, _matching(r"[A-Za-z_]\w*", "give the name of a variable, not a key")] = Field(
        default=None, description="Name of the environment variable that holds the key; the key itself is never stored."
    )
    timeout_seconds: float = Field(
        default=60.0, gt=0, le=86_400, description="Longest wait to connect, and between bytes."
    )
    n_attempts: int = Field(
        default=5, ge=1, le=1000, description="Tries per request, and per answer that cannot be read."
    )
    backoff_seconds: float = Field(
        default=1.0, ge=0, le=3600, description="Wait before the second retry; doubles each time."
    )
    n_parallel: int = Field(default=4, ge=1, le=1024, description="Requests under way at once.")
    max_tokens: int = Field(default=512, ge=1, le=MOST, description="Longest answer.")


class ClipSettings(Section):
    """Which model embeds images and texts (METHODS: CLIP-Score)."""

    source: str = Field(
        default="base",
        description="'base' (the base model's own connector and word embeddings, in place of CLIP), the directory of a "
        "CLIP model, or a hub id.",
    )
    revision: str | None = Field(default=None, description="Commit hash; required for a hub id.")
    batch_size: int = Field(
        default=1,
        ge=1,
        le=MOST,
        description="Images or texts per forward pass; more is faster on a GPU, but changes last digits.",
    )
    shard_size: int = Field(default=1024, ge=1, le=MOST, description="Images or rows per committed shard.")
    threads: int = Field(
        default=1, ge=1, le=MOST_THREADS, description="CPU threads; part of the settings because sums depend on it."
    )


class AnnotationSettings(Section):
    """How answers about rows are kept, and how many may be unreadable."""

    shard_size: int = Field(
        default=32,
        ge=1,
        le=MOST,
        description="Answers per committed shard: what a killed run has to ask again at most.",
    )
    max_failed_share: float = Field(
        default=0.05, ge=0, le=1, description="Share of the rows whose answer may be unreadable; more is an error."
    )


class TagSettings(AnnotationSettings):
    """Where the tags of a row come from (METHODS: InsTag); nothing is made before one of the sources is named."""

    source: Literal["column", "endpoint", "model"] | None = Field(
        default=None,
        description="'column' of the dataset's own records, an OpenAI-compatible 'endpoint', or a local 'model'.",
    )
    column: str | None = Field(
        default=None, min_length=1, description="Field of the records: a list, or text at commas."
    )
    endpoint: EndpointSettings | None = Field(default=None, description="Whom to ask.")
    model: str | None = Field(
        default=None, min_length=1, description="'base' for the base model, the directory of a chat model, or a hub id."
    )
    revision: str | None = Field(default=None, description="Commit hash; required where the model is a hub id.")
    max_new_tokens: int = Field(
        default=256, ge=1, le=MOST, description="Longest answer of a local model; decoding is greedy."
    )
    threads: int = Field(default=1, ge=1, le=MOST_THREADS, description="CPU threads of a local model.")
    min_count: int = Field(
        default=1,
        ge=1,
        le=MOST,
        description="Rows that a tag must occur in to be kept; the paper's 20 suits 100k rows and more.",
    )

    @model_validator(mode="after")
    def _the_source_is_given(self) -> Self:
        if self.source is not None and getattr(self, self.source) is None:
            raise ValueError(f"source is {self.source!r}, so tags.{self.source} must be given")
        return self


class QualitySettings(AnnotationSettings):
    """What a row's quality is judged by, and the ratings it is learned from (METHODS: InstructionGPT-4)."""

    endpoint: EndpointSettings | None = Field(
        default=None, description="Chat model whose score of each row is one more indicator; none by default."
    )
    ratings: str | None = Field(
        default=None,
        min_length=1,
        description="Absolute path of a CSV file with the columns 'subset' (a subset's manifest, or a file with one "
        "sample_id per line; relative paths count from the CSV file) and 'rating' (larger is better).",
    )


class JudgeSettings(Section):
    """Who judges the answers to a benchmark: an endpoint or a local model; the benchmark says what it is asked."""

    endpoint: EndpointSettings | None = Field(
        default=None, description="Whom to ask; how long a reply may be is the benchmark's, not max_tokens."
    )
    model: str | None = Field(
        default=None, min_length=1, description="In place of an endpoint: the directory of a chat model, or a hub id."
    )
    revision: str | None = Field(default=None, description="Commit hash; required where the model is a hub id.")
    threads: int = Field(default=1, ge=1, le=MOST_THREADS, description="CPU threads of a local model.")
    n_runs: int = Field(
        default=1, ge=1, le=100, description="How often each answer is judged; scores are the mean over these runs."
    )

    @model_validator(mode="after")
    def _there_is_one(self) -> Self:
        if (self.endpoint is None) == (self.model is None):
            raise ValueError("give either an endpoint or a local model")
        return self

    @property
    def name(self) -> str:
        """Model and host, or a local model's folder or id, for people to read; never a key."""
        if self.endpoint is None:
            return f"{Path(self.model or '').name} on this machine"
        at = urlsplit(self.endpoint.url)
        return f"{self.endpoint.model} at {at.netloc}{at.path.rstrip('/')}"
