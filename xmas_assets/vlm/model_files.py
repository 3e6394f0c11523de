"""Finding a model's directory: the toy one, given, or a hub id at a pinned commit. Loading it is not here."""

import hashlib
import re
from pathlib import Path
from typing import Any

import httpx2
from huggingface_hub import model_info, snapshot_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.messages import one_line
from xmas_assets.contracts.settings import FORMER_TOY_MODEL, TOY_MODEL, BaseModelSettings
from xmas_assets.files.model_content import MODEL_FILES, model_files
from xmas_assets.files.whole import file_sha256
from xmas_assets.vlm.directories import check_files

SHIPPED_BASE = Path(__file__).parents[1] / "profiles" / "tiny_base"
_SHA256_DIGITS = 64
_COMMIT = re.compile(r"[0-9a-f]{40}")


def resolve_base(settings: BaseModelSettings, *, section: str = "base_model") -> Path:
    """Find the directory of a base model; a hub id is downloaded once, at its pinned revision.

    Args:
        settings: Which model.
        section: Of the settings that name it; for messages.

    Raises:
        ModelError: If there is no such model, a hub id is not pinned to a commit, or it cannot be fetched.
    """
    return resolve_model(settings.source, settings.revision, section=section)


def resolve_model(source: str, revision: str | None, *, section: str) -> Path:
    """Find the directory of any model.

    Args:
        source: ``toy:tiny``, a directory, or a hub id.
        revision: Commit that a hub id is pinned to.
        section: Of the settings that name it; for messages.

    Raises:
        ModelError: As ``resolve_base``.
    """
    words = section.replace("_", " ")
    if source in (TOY_MODEL, FORMER_TOY_MODEL):
        directory = SHIPPED_BASE
    elif Path(source).expanduser().is_dir():
        directory = Path(source).expanduser()
    elif re.fullmatch(r"[\w.-]+/[\w.-]+", source):
        directory = _download(source, revision, section)
    else:
        raise ModelError(
            f"{words} {source!r} is no directory; give an existing one, {TOY_MODEL}, or a hub id owner/name"
        )
    check_files(directory)
    return directory


def _cached(name: str, **options: Any) -> Path:
    """The directory of a hub model in the cache; its files are what their names there say.

    Raises:
        ModelError: If one is not, as after a download that was cut off, or a disk that lost some of it.
    """
    directory = Path(snapshot_download(name, **options))
    for path in model_files(directory):
        blob = path.resolve()  # a link to a file that is named by its hash, where the disk has links
        if blob.parent.name == "blobs" and _hub_hash(blob) != blob.name:
            raise ModelError(
                f"{path.name} of hub model {name!r} is damaged in the local cache; delete {blob}, run again"
            )
    return directory


def _hub_hash(path: Path) -> str:
    """Hash of a file as the hub names it: SHA-256 of a large one, git's own hash of a small one."""
    if len(path.name) == _SHA256_DIGITS:
        return file_sha256(path)
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _download(name: str, revision: str | None, section: str) -> Path:
    if revision is None or _COMMIT.fullmatch(revision) is None:
        raise ModelError(
            f"hub model {name!r} has revision {revision!r}; set {section}.revision to a commit of 40 hex digits, so "
            "that a rerun sees the same bytes"
        )
    options = {"revision": revision, "allow_patterns": list(MODEL_FILES)}
    try:
        # Asked first because it fails at once without a network, where the download would retry for half a minute.
        model_info(name, revision=revision, timeout=10)
        return _cached(name, **options)
    except (GatedRepoError, RepositoryNotFoundError) as error:
        raise ModelError(
            f"hub model {name!r} is missing or gated; check its name, or log in: {one_line(error)}"
        ) from error
    except (HfHubHTTPError, httpx2.HTTPError, OSError) as error:
        try:
            return _cached(name, local_files_only=True, **options)
        except LocalEntryNotFoundError:
            raise ModelError(
                f"hub model {name!r} at {revision} is not in the local cache and cannot be fetched "
                f"({one_line(error)}); go online once, or give a directory"
            ) from error
