"""Settings of external signals, which the proxy does not make: embeddings, tags, ratings, and the models for them."""

from typing import Literal, Self

from pydantic import Field, model_validator

from xmas_assets.contracts.section import Section


class EndpointSettings(Section):
    """A chat model: a local server (vLLM, llama.cpp, Ollama) or a service."""

    url: str = Field(
        pattern=r"^https?://[^/@?\s]+(/[^?\s]*)?$",
        description="Address up to '/v1', such as http://127.0.0.1:8000/v1; without a password or key in it.",
    )
    model: str = Field(min_length=1, description="Model name as the endpoint knows it.")
    key_variable: str | None = Field(
        default=None, description="Name of the environment variable that holds the key; the key itself is never stored."
    )
    timeout_seconds: float = Field(default=60.0, gt=0, description="Longest wait to connect, and between bytes.")
    n_attempts: int = Field(default=5, ge=1, description="Tries per request, and per answer that cannot be read.")
    backoff_seconds: float = Field(default=1.0, ge=0, description="Wait before the second retry; doubles each time.")
    n_parallel: int = Field(default=4, ge=1, description="Requests under way at once.")
    max_tokens: int = Field(default=512, ge=1, description="Longest answer.")


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
        description="Images or texts per forward pass; more is faster on a GPU, but changes last digits.",
    )
    shard_size: int = Field(default=1024, ge=1, description="Images or rows per committed shard.")
    threads: int = Field(default=1, ge=1, description="CPU threads; part of the settings because sums depend on it.")


class AnnotationSettings(Section):
    """How answers about rows are kept, and how many may be unreadable."""

    shard_size: int = Field(
        default=32, ge=1, description="Answers per committed shard: what a killed run has to ask again at most."
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
    max_new_tokens: int = Field(default=256, ge=1, description="Longest answer of a local model; decoding is greedy.")
    threads: int = Field(default=1, ge=1, description="CPU threads of a local model.")
    min_count: int = Field(
        default=1,
        ge=1,
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
