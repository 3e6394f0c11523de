"""HTTP connections that are shut when a reply takes too long.

The timeout of a socket bounds the wait for the next byte only: a head or a body that trickles could take for ever.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPResponse
from urllib3.exceptions import ProtocolError


def limit_heads(pool: HTTPConnectionPool, *, seconds: float) -> None:
    """Have a pool's connections raise ``ProtocolError`` where the head of a reply takes longer."""
    kind: Any = pool.ConnectionCls

    class Timed(kind):
        def getresponse(self) -> HTTPResponse:
            with at_most(seconds, lambda: self.sock.shutdown(socket.SHUT_RD)):
                return super().getresponse()

    pool.ConnectionCls = Timed


@contextmanager
def at_most(seconds: float, shut: Callable[[], object]) -> Iterator[None]:
    """Shut a connection, in another thread, if the block takes longer; ``ProtocolError`` then."""
    is_over = threading.Event()

    def end() -> None:
        is_over.set()
        with suppress(OSError, RuntimeError, AttributeError):  # it has just been closed or given back
            shut()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if is_over.is_set():
            raise ProtocolError(f"its reply takes longer than {seconds:g} seconds")
