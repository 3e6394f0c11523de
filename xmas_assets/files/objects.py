"""Objects of S3, or of what speaks its protocol: put whole, got whole, and changed only by who saw the last state."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from xmas_assets.contracts.errors import StoreError
from xmas_assets.contracts.messages import first_line

if TYPE_CHECKING:
    from obstore import PutMode
    from obstore.store import S3Store

_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[A-Za-z0-9_=+@.-]+)*)/?")
_REQUEST = "60s"
_CONNECT = "10s"
_TRIES = 12
_LARGEST_NOTE = 256 << 20


class GoneError(StoreError):
    """An object is not there: it may have been replaced since its name was read."""


class Found(NamedTuple):
    """A small object, and the tag that it has until it is changed."""

    content: bytes
    tag: str


@dataclass(frozen=True)
class ObjectStore:
    """The objects below an address such as ``s3://bucket/prefix``.

    Where the server is, and who asks, the environment says as for other programs: ``AWS_ENDPOINT_URL``, ``AWS_REGION``,
    ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_SESSION_TOKEN``. Requests that fail or are throttled are
    tried again with growing pauses.

    Attributes:
        address: Where they are.
        patience: Seconds after which a request is given up.
    """

    address: str
    patience: int = 300

    def __post_init__(self) -> None:
        found = _ADDRESS.fullmatch(self.address)
        if found is None or any(part in {".", ".."} for part in found[2].split("/")):
            raise StoreError(
                f"{self.address[:200]!r} is no address of an object store; write s3://BUCKET/PREFIX, of letters, "
                "digits and _ = + @ . - only"
            )

    def get(self, name: str) -> Found | None:
        """A small object; None if there is none.

        Raises:
            StoreError: If the store does not answer, refuses, or the object is no small one.
        """
        obstore = _library()
        with _explained(self.address):
            try:
                answer = obstore.get(self._store, name)
            except FileNotFoundError as error:
                _refuse_absent_bucket(error, self.address)
                return None
            if answer.meta["size"] > _LARGEST_NOTE:
                raise StoreError(f"{self.address}/{name} has {answer.meta['size']:,} bytes; it is none of ours")
            return Found(bytes(answer.bytes()), answer.meta["e_tag"] or "")

    def fetch(self, name: str, target: Path) -> None:
        """Write an object to a file.

        Raises:
            GoneError: If it is not there.
            StoreError: As ``get``, or if the file cannot be written.
        """
        obstore = _library()
        with _explained(self.address):
            try:
                answer = obstore.get(self._store, name)
            except FileNotFoundError as error:
                raise GoneError(f"{self.address}/{name} is not there, although it is listed as stored") from error
            try:
                with target.open("wb") as stream:
                    for piece in answer.stream():
                        stream.write(piece)
            except OSError as error:
                raise StoreError(
                    f"{target.parent} cannot be written ({error.strerror or error}); free some space, or set "
                    "XMAS_SCRATCH to another folder, then run again: finished work is kept"
                ) from error

    def has(self, name: str) -> bool:
        """Whether there is an object."""
        obstore = _library()
        with _explained(self.address):
            try:
                obstore.head(self._store, name)
            except FileNotFoundError:
                return False
            return True

    def put(self, name: str, content: bytes | Path) -> None:
        """Put an object whole: the name of it is its content, so that whoever put it before put the same."""
        obstore = _library()
        with _explained(self.address):
            try:
                obstore.put(self._store, name, content)
            except FileNotFoundError as error:
                _refuse_absent_bucket(error, self.address)
                raise

    def put_if(self, name: str, content: bytes, tag: str | None) -> str | None:
        """Put a small object if the one that is there has this tag, or, given None, if there is none.

        Returns:
            The new tag; None if it was not put. Where an answer was lost on its way, that may also be said of an object
            that was put: so the content is to tell whose it is.

        Raises:
            StoreError: As ``get``.
        """
        obstore = _library()
        refused = (obstore.exceptions.AlreadyExistsError, obstore.exceptions.PreconditionError)
        with _explained(self.address):
            try:
                mode: PutMode = "create" if tag is None else {"e_tag": tag}
                return obstore.put(self._store, name, content, mode=mode, use_multipart=False)["e_tag"]
            except refused:
                return None
            except FileNotFoundError as error:
                _refuse_absent_bucket(error, self.address)
                return None

    def names(self, folder: str) -> list[str]:
        """Names, sorted, of the objects below a folder; a store may show those that were put just now later."""
        obstore = _library()
        with _explained(self.address):
            return sorted(found["path"] for some in obstore.list(self._store, folder) for found in some)

    def delete(self, names: list[str]) -> None:
        """Delete objects; those that are not there are left so."""
        obstore = _library()
        with _explained(self.address):
            for name in names:
                with suppress(FileNotFoundError):
                    obstore.delete(self._store, name)

    @cached_property
    def _store(self) -> "S3Store":
        is_plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
        return _library().store.S3Store.from_url(
            self.address,
            config={"checksum_algorithm": "sha256"},
            client_options={"timeout": _REQUEST, "connect_timeout": _CONNECT, "allow_http": is_plain},
            retry_config={"max_retries": _TRIES, "retry_timeout": timedelta(seconds=self.patience)},
        )

    def __getstate__(self) -> dict[str, object]:
        return {"address": self.address, "patience": self.patience}


@contextmanager
def _explained(address: str) -> Iterator[None]:
    """Say in one line what a store refused or why it cannot be reached."""
    errors = _library().exceptions
    try:
        yield
    except (errors.PermissionDeniedError, errors.UnauthenticatedError) as error:
        raise StoreError(
            f"{address} refuses these credentials ({first_line(error)[:300]}); set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY of somebody who may read and write there"
        ) from error
    except errors.BaseError as error:
        raise StoreError(
            f"{address} cannot be used ({first_line(error)[:300]}); check the bucket, AWS_ENDPOINT_URL and AWS_REGION, "
            "then run again: finished work is kept"
        ) from error


def _refuse_absent_bucket(error: FileNotFoundError, address: str) -> None:
    if "NoSuchBucket" in str(error):
        raise StoreError(f"the bucket of {address} is not there; make it, or check AWS_ENDPOINT_URL") from error


def _library() -> Any:
    """What speaks with stores; ``StoreError`` where it is not installed."""
    try:
        import obstore
        import obstore.exceptions
        import obstore.store
    except ImportError as error:
        raise StoreError(
            "object storage needs a package that is not here; run: pip install 'xmas-assets[s3]'"
        ) from error
    return obstore
