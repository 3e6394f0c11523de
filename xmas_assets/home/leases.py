"""Leases: locks that machines hold through an object store, and lose when they stop renewing them."""

import json
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote, unquote
from uuid import uuid4

from xmas_assets.contracts.errors import StoreError
from xmas_assets.files.objects import ObjectStore

_LOG = logging.getLogger(__name__)
_FREE = b"free"
_POLL = 1.0
_SECONDS = 60.0


@dataclass
class Lease:
    """One name that at most one process holds.

    Clocks of machines are not compared: a lease is taken over from its holder once its object has not changed for
    ``seconds`` of the waiting process' own time, and its holder gives it up itself after as long without a renewal.

    Attributes:
        store: Where leases are.
        name: What is held.
        seconds: How long a holder may be silent.
    """

    store: ObjectStore
    name: str
    seconds: float = field(default_factory=lambda: _SECONDS)
    _tag: str | None = None
    _renewed: float = 0.0
    _round: int = 0
    _owner: str = field(default_factory=lambda: uuid4().hex)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def acquire(self, else_said: str) -> None:
        """Hold the name from now on; waits for who holds it, and says so.

        Raises:
            StoreError: If the store cannot be used.
        """
        seen, since, has_said = None, time.monotonic(), False
        while True:
            found = self.store.get(self._object)
            if found is not None and self._is_ours(found.content):  # the answer to a put was lost
                self._hold(found.tag)
                return
            if found is not None and found.tag != seen:
                seen, since = found.tag, time.monotonic()
            is_free = found is None or found.content == _FREE
            if is_free or time.monotonic() - since > self.seconds:
                tag = self.store.put_if(self._object, self._content(), found and found.tag)
                if tag is not None:
                    self._hold(tag)
                    return
                continue
            if not has_said:
                _LOG.warning("%s; waiting for it", else_said)
                has_said = True
            time.sleep(min(_POLL, self.seconds / 10))

    def check(self) -> None:
        """Refuse to go on without the lease.

        Raises:
            StoreError: If it was not renewed in time, or another process has taken it.
        """
        if self._tag is None or time.monotonic() - self._renewed > self.seconds:
            raise StoreError(
                f"the lease of {self.name} at {self.store.address} was lost: the store was out of reach for "
                f"{self.seconds:.0f} s, or another machine went on with it; run again: finished work is kept"
            )

    def release(self) -> None:
        """Let others hold the name; where the store cannot be reached they wait until the lease has run out."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._tag is not None:
            try:
                self.store.put_if(self._object, _FREE, self._tag)
            except StoreError as error:
                _LOG.warning("the lease of %s runs out by itself: %s", self.name, error)
        self._tag = None

    def end(self) -> None:
        """Release a name that nobody else will ever hold."""
        self.release()
        with suppress(StoreError):
            self.store.delete([self._object])

    def is_held(self) -> bool:
        """Whether somebody holds the name, who may have died without giving it back."""
        found = self.store.get(self._object)
        return found is not None and found.content != _FREE

    @property
    def _object(self) -> str:
        return _object(self.name)

    def _content(self) -> bytes:
        self._round += 1
        return json.dumps([self._owner, self._round]).encode()

    def _is_ours(self, content: bytes) -> bool:
        return content.startswith(json.dumps([self._owner])[:-1].encode())

    def _hold(self, tag: str) -> None:
        self._tag, self._renewed = tag, time.monotonic()
        self._stop.clear()
        self._thread = threading.Thread(target=self._renew, name=f"lease of {self.name}", daemon=True)
        self._thread.start()

    def _renew(self) -> None:
        while not self._stop.wait(self.seconds / 4):
            began = time.monotonic()
            try:
                tag = self.store.put_if(self._object, self._content(), self._tag)
                if tag is None:
                    found = self.store.get(self._object)
                    tag = found.tag if found is not None and self._is_ours(found.content) else None
            except StoreError:
                continue  # until it has run out
            self._tag, self._renewed = tag, began
            if tag is None:
                _LOG.warning("another machine has taken over %s", self.name)
                return


def living(store: ObjectStore, is_meant: Callable[[str], bool]) -> str | None:
    """The name of a lease, of those that are meant, that is held and renewed; those that are not are taken away.

    Returns at once where none is held; otherwise waits until one is renewed, or all are given back or have run out.

    Args:
        store: Where leases are.
        is_meant: Whether a name is asked for.

    Raises:
        StoreError: If the store cannot be used.
    """
    names = [unquote(path.removeprefix("leases/").replace("=", "%")) for path in store.names("leases")]
    found = {name: store.get(_object(name)) for name in names if is_meant(name)}
    held = {name: first for name, first in found.items() if first is not None and first.content != _FREE}
    if held:
        _LOG.warning("%s is held, or a killed run left it so; looking for up to %.0f s", next(iter(held)), _SECONDS)
    since = time.monotonic()
    while held and time.monotonic() - since <= _SECONDS:
        time.sleep(min(_POLL, _SECONDS / 10))
        for name, first in list(held.items()):
            now = store.get(_object(name))
            if now is None or now.content == _FREE:
                del held[name]
            elif now.tag != first.tag:
                return name
    for name, first in held.items():
        if store.put_if(_object(name), _FREE, first.tag) is None:
            return name
    return None


def _object(name: str) -> str:
    return f"leases/{quote(name, safe='')}".replace("%", "=")
