"""Tags of what each row asks for: out of a column of the dataset, or from a model that is asked."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from xmas_assets.annotation.chat_endpoint import Answer, ChatEndpoint
from xmas_assets.annotation.local_model import LocalModel
from xmas_assets.annotation.row_answers import ChatModel, Question, ask_rows, failed_notice, json_in, transcript
from xmas_assets.contracts.annotation import TagSettings
from xmas_assets.contracts.errors import ModelError, SettingsError
from xmas_assets.contracts.progress import ProgressCallback
from xmas_assets.contracts.samples import Sample
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.contracts.signals import requirement_of
from xmas_assets.vlm.model_files import resolve_model

_MOST_TAGS = 50
Tags = tuple[str, ...]


def check_tag_source(settings: TagSettings) -> None:
    """Refuse to begin without a source.

    Raises:
        SettingsError: Saying what is wanted, and where it is set.
    """
    if settings.source is None:
        raise SettingsError(f"tags: {requirement_of('tags')}; set tags.source to column, endpoint or model")


def ask_for_tags(
    samples: Sequence[Sample],
    settings: TagSettings,
    *,
    base: Path,
    base_settings: BaseModelSettings,
    workspace: Path,
    progress: ProgressCallback | None = None,
) -> list[Answer[Any]]:
    """Ask a model for the tags of each row, or go on where a killed or failed run was.

    Args:
        samples: The dataset in row order.
        settings: Whose ``source`` is 'endpoint' or 'model'.
        base: Directory of the base model.
        base_settings: Device, and type of a local model's weights.
        workspace: Directory for finished shards; one run at a time may use it.
        progress: Called after each row.

    Raises:
        ModelError: If the model cannot be used or asked; the answers given before are kept.
    """
    model = _chat_model(settings, base, base_settings)
    return ask_rows(samples, model, question=_QUESTION, settings=settings, workspace=workspace, progress=progress)


def _chat_model(settings: TagSettings, base: Path, base_settings: BaseModelSettings) -> ChatModel:
    if settings.endpoint is not None and settings.source == "endpoint":
        return ChatEndpoint(settings.endpoint, os.environ)
    if settings.model is None or settings.source != "model":
        raise ModelError(f"tags.source {settings.source!r} is nobody to ask; set it to endpoint or model")
    directory = base if settings.model == "base" else resolve_model(settings.model, settings.revision, section="tags")
    return LocalModel(directory, base_settings, max_new_tokens=settings.max_new_tokens, threads=settings.threads)


def tags_prompt(sample: Sample) -> str:
    """Ask for the tags of what a sample's user wants (InsTag's question, in our words)."""
    return (
        "Below is a conversation about zero or more images. Name every intention and skill that the user's messages "
        "call for, from coarse to fine, as short English tags such as 'count objects' or 'read text'.\n"
        'Answer with nothing but a JSON list of tags, for example ["count objects", "compare colours"].\n\n'
        f"{transcript(sample)}"
    )


def read_tags(text: str) -> tuple[str, ...]:
    """Tags of a reply: distinct, lower case, in the order given; also out of ``{"tag": ...}`` objects and code fences.

    Raises:
        ValueError: If there is no list of tags, or a list of more than 50.

    Example:
        >>> read_tags('Here they are: ["Count  objects", {"tag": "OCR"}, "ocr"]')
        ('count objects', 'ocr')
    """
    found = json_in(text, "[", "]")
    items = [item.get("tag") if isinstance(item, dict) else item for item in found]
    if len(items) > _MOST_TAGS or not all(isinstance(item, str) for item in items):
        raise ValueError(f"the reply is not a list of at most {_MOST_TAGS} tags")
    tags = (" ".join(str(item).lower().split()) for item in items)
    return tuple(dict.fromkeys(tag for tag in tags if tag))


_QUESTION = Question("tags", version=1, prompt=tags_prompt, read=read_tags)


def tags_of_column(values: Iterable[Any]) -> list[Answer[Any]]:
    """Tags as a dataset's own records hold them: a list of texts, or one text with commas between the tags."""
    return [_of_record(value) for value in values]


def _of_record(value: Any) -> Answer[Any]:
    tags = value.split(",") if isinstance(value, str) else value
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        return Answer(None, f"the column holds a {type(value).__name__}, not a list of texts or a text")
    return Answer(tags, "")


def tag_table(
    samples: Sequence[Sample], answers: Sequence[Answer[Any]], settings: TagSettings
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Normalise the tags of all rows: equal but for case and punctuation is equal, and rare tags go.

    Args:
        samples: The dataset in row order.
        answers: Tags of each row, or why there are none.
        settings: How many rows may lack tags, and in how many a tag must occur.

    Returns:
        Columns ``row``, ``sample_id``, ``tags`` (list of text, distinct, in the order given; empty where there was no
        readable answer) and ``failure`` (why not, "" if it was read); and what a person should know.

    Raises:
        ModelError: If more than ``max_failed_share`` of the rows have no readable tags.

    Source:
        InsTag (arXiv 2308.07074), section 3.2: rule aggregation and the frequency filter. Its merging of tags that mean
        the same, by phrase embeddings and association rules, is not done.
    """
    notices = [failed_notice(samples, answers, settings)]
    tags = [normalise(answer.value or ()) for answer in answers]
    counts = Counter(tag for row in tags for tag in row)
    kept = {tag for tag, count in counts.items() if count >= settings.min_count}
    if len(kept) < len(counts):
        rare = f"{len(counts) - len(kept)} of {len(counts)} tags occur in fewer than {settings.min_count} rows"
        notices.append(f"{rare} (tags.min_count) and are left out")
    frame = pl.DataFrame(
        {
            "row": range(len(samples)),
            "sample_id": [sample.sample_id for sample in samples],
            "tags": [[tag for tag in row if tag in kept] for row in tags],
            "failure": [answer.failure for answer in answers],
        },
        schema={"row": pl.Int64, "sample_id": pl.String, "tags": pl.List(pl.String), "failure": pl.String},
    )
    return frame, tuple(notice for notice in notices if notice)


def normalise(tags: Iterable[str]) -> Tags:
    """Lower case, without punctuation, each once.

    Example:
        >>> normalise(["Count-Objects", "count  objects", "OCR!", "..."])
        ('count objects', 'ocr')
    """
    words = (" ".join(re.sub(r"[\W_]+", " ", tag.lower()).split()) for tag in tags)
    return tuple(dict.fromkeys(tag for tag in words if tag))
