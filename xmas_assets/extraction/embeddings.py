"""Embeddings of each row's images and text, and how well the two agree. Each distinct image is embedded once."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from xmas_assets.contracts.libraries import READING, library_versions
from xmas_assets.contracts.progress import ProgressCallback
from xmas_assets.contracts.samples import Reason, Sample, without_image_marks
from xmas_assets.contracts.settings import BaseModelSettings, ClipSettings
from xmas_assets.core.arrays import FloatArray
from xmas_assets.core.similarity import unit_rows
from xmas_assets.extraction.extracted import note_left_out
from xmas_assets.extraction.shard_arrays import MARKS, save_array
from xmas_assets.files.model_content import model_digest
from xmas_assets.files.whole import replacing
from xmas_assets.scale.engines import SERIAL, Advance, Engine, Remade
from xmas_assets.scale.row_tables import RowTable, make_row_table, vectors
from xmas_assets.scale.running import run_pieces
from xmas_assets.scale.shards import ItemCounter, Shard, shards_of_groups
from xmas_assets.scale.stretches import NO_GROWTH, Growth
from xmas_assets.vlm.devices import model_work
from xmas_assets.vlm.embedding import BaseEmbedder, ClipEmbedder, Embedder
from xmas_assets.vlm.image_inputs import OpenImage
from xmas_assets.vlm.model_files import resolve_model

_VERSION = 1  # raised when the same inputs would give other values


def embed_dataset(
    samples: Sequence[Sample],
    *,
    open_image: OpenImage,
    base: Path,
    base_settings: BaseModelSettings,
    settings: ClipSettings,
    workspace: Path,
    progress: Callable[[str], ProgressCallback] | None = None,
    engine: Engine = SERIAL,
    growth: Growth = NO_GROWTH,
) -> RowTable:
    """Embed images and texts of a dataset, or finish what a killed run began.

    Args:
        samples: The dataset in row order.
        open_image: Gives the picture of a reference and content hash.
        base: Directory of the base model.
        base_settings: Device, and type of the base model's weights.
        settings: Which model embeds, and how many at once.
        workspace: Directory for finished shards; one run at a time may use it.
        progress: Gives a progress for each of the two parts, 'images' and 'texts'.
        engine: Who embeds; first all images, then all texts.
        growth: How the dataset came to its rows.

    Returns:
        Columns ``image`` (mean over the row's images, unit length) and ``text`` (of all turns, one per line, without
        image marks; unit length), float32 lists of the model's width, and ``score``, their cosine. NaN where a row has
        no image, or one that the base model's processor refuses (which is in the notices).

    Raises:
        ModelError: If the model cannot be used, or an embedding is not finite.
        ImageError: If ``open_image`` refuses a picture.
    """
    own = base if settings.source == "base" else resolve_model(settings.source, settings.revision, section="clip")
    key = _key(model_digest(own), base_settings, settings)
    listen = progress or (lambda _: None)
    ready = partial(model_work, settings.threads)
    with ready():
        if settings.source == "base":
            embedder = Remade[Embedder](partial(BaseEmbedder, own, base_settings, open_image))
        else:
            embedder = Remade[Embedder](partial(ClipEmbedder, own, open_image, device=base_settings.device))
        width = embedder().embed_texts(["a"]).shape[1]
        images = _embed_images(
            embedder,
            samples,
            settings,
            workspace=workspace,
            key=key,
            progress=listen("images"),
            engine=engine,
            ready=ready,
            growth=growth,
        )
        table = make_row_table(
            samples,
            [*(pa.field(name, pa.list_(pa.float32(), width)) for name in ("image", "text")), _SCORE],
            partial(_embed_rows, embedder, images, settings.batch_size),
            workspace=workspace / "texts",
            shard_size=settings.shard_size,
            key=key,
            progress=listen("texts"),
            engine=engine,
            ready=ready,
            growth=growth,
            name="clip_embeddings",
        )
    marks = np.array([MARKS[Reason.IMAGE_REFUSED] if images.lacks(s.image_hashes) else 1 for s in samples])
    notices = note_left_out(samples, [(np.arange(len(samples)), marks)], "image vector", max_tokens=0)
    return replace(table, notices=notices)


_SCORE = pa.field("score", pa.float32())


class _Images:
    """Vectors of distinct images, by content hash, on disk."""

    def __init__(self, hashes: Sequence[str], path: Path | None) -> None:
        self._hashes, self._path = hashes, path
        self._rows = {content_hash: row for row, content_hash in enumerate(hashes)}
        self._values: NDArray[Any] = np.empty((0, 0)) if path is None else np.load(path, mmap_mode="r")
        self._lacking = {name for name, row in self._rows.items() if np.isnan(self._values[row, 0])}

    def __reduce__(self) -> tuple[type["_Images"], tuple[Sequence[str], Path | None]]:
        return _Images, (self._hashes, self._path)

    def lacks(self, content_hashes: Sequence[str]) -> bool:
        """Whether one of some images has no vector."""
        return not self._lacking.isdisjoint(content_hashes)

    def mean(self, content_hashes: Sequence[str]) -> FloatArray:
        """Direction of some images' mean, shape (width,)."""
        found = np.stack([self._values[self._rows[content_hash]] for content_hash in content_hashes])
        return unit_rows(found.mean(axis=0))


def _embed_images(
    embedder: Remade[Embedder],
    samples: Sequence[Sample],
    settings: ClipSettings,
    *,
    workspace: Path,
    key: str,
    progress: ProgressCallback | None,
    engine: Engine,
    ready: Callable[[], AbstractContextManager[None]],
    growth: Growth,
) -> _Images:
    references: dict[str, str] = {}
    pieces = []
    for number, rows in enumerate(growth.stretches(len(samples))):
        n_earlier = len(references)
        for sample in samples[rows.start : rows.stop]:
            references |= zip(sample.image_hashes, sample.images, strict=True)
        own = list(references)[n_earlier:]  # an image that an earlier row has keeps its place
        shards = shards_of_groups([1] * len(own), settings.shard_size)
        pieces.append(growth.piece(number, workspace / "images", shards, repr((key, own)), start=n_earlier))
    hashes = list(references)
    parts = run_pieces(
        pieces,
        _WriteImages(embedder, references, settings.batch_size),
        counter=ItemCounter(len(hashes), progress),
        engine=engine,
        ready=ready,
    )
    if not parts:
        return _Images(hashes, None)
    # One file, so that reading keeps one file open and no more in memory than is looked at.
    joined = workspace / "images.npy"
    with replacing(joined) as unfinished:
        _join(parts, len(hashes), unfinished)
    return _Images(hashes, joined)


@dataclass(frozen=True)
class _WriteImages:
    """Writes the vectors of a shard's images.

    Attributes:
        embedder: Makes them.
        references: By content hash, in the order of the shards' items.
        batch_size: Images at once.
    """

    embedder: Remade[Embedder]
    references: Mapping[str, str]
    batch_size: int

    def __call__(self, shard: Shard, path: Path, advance: Advance) -> None:
        parts = []
        for part in _cut(list(self.references)[shard.start : shard.stop], self.batch_size):
            parts.append(self.embedder().embed_images([self.references[content_hash] for content_hash in part], part))
            advance(len(part))
        save_array(path, np.concatenate(parts))


def _join(parts: Sequence[Path], n_images: int, unfinished: Path) -> None:
    width = np.load(parts[0], mmap_mode="r").shape[1]
    values = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.float32, shape=(n_images, width))
    start = 0
    for part in map(np.load, parts):
        values[start : start + len(part)] = part
        start += len(part)
    values.flush()


def _embed_rows(
    embedder: Remade[Embedder],
    images: _Images,
    batch_size: int,
    samples: Sequence[Sample],
    advance: Callable[[float], None],
) -> dict[str, Any]:
    parts = []
    for part in _cut(samples, batch_size):
        parts.append(embedder().embed_texts([text_of(sample) for sample in part]))
        advance(len(part))
    text = np.concatenate(parts)
    image = np.full_like(text, np.nan)
    for row, sample in enumerate(samples):
        if sample.images:
            image[row] = images.mean(sample.image_hashes)
    # Row by row: a matrix product could round a row's cosine differently among other neighbours.
    score = np.array([one @ other for one, other in zip(image, text, strict=True)], dtype=np.float32)
    return {"image": vectors(image), "text": vectors(text), "score": score}


def text_of(sample: Sample) -> str:
    """The text of a sample, one turn per line, without image marks."""
    return "\n".join(without_image_marks(turn.text) for turn in sample.turns)


def _cut(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _key(digest: str, base_settings: BaseModelSettings, settings: ClipSettings) -> str:
    """Everything that the values depend on besides the samples."""
    own = (settings.batch_size, settings.threads, settings.source == "base")
    versions = (_VERSION, library_versions(READING))
    return repr(("embeddings", versions, digest, base_settings.dtype, base_settings.device, own))
