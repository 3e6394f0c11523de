"""Leases: one holder at a time, and a holder that falls silent is followed by another."""

import threading
import time

import pytest

from xmas_assets.contracts.errors import StoreError
from xmas_assets.files.objects import ObjectStore
from xmas_assets.home.leases import Lease

SOON = 2.0


@pytest.fixture
def store(address):
    return ObjectStore(address, patience=1)


def acquired(lease: Lease) -> tuple[threading.Thread, list[float]]:
    """A thread that waits for a lease, and when it had it."""
    at: list[float] = []

    def wait() -> None:
        lease.acquire("it is held")
        at.append(time.monotonic())

    thread = threading.Thread(target=wait)
    thread.start()
    return thread, at


def test_a_second_holder_waits_until_the_first_gives_it_back(store, caplog):
    first, second = Lease(store, "a", seconds=SOON), Lease(store, "a", seconds=SOON)
    first.acquire("never said")
    thread, at = acquired(second)
    time.sleep(2 * SOON)  # a living holder keeps it for longer than a lease lasts
    assert at == []
    first.check()
    first.release()
    thread.join(timeout=SOON)
    assert at and caplog.messages.count("it is held; waiting for it") == 1
    second.release()


def test_a_holder_that_falls_silent_is_followed_and_may_store_nothing_any_more(store):
    silent, second = Lease(store, "a", seconds=SOON), Lease(store, "a", seconds=SOON)
    silent.acquire("never said")
    silent._stop.set()  # as a machine that stands still
    began = time.monotonic()
    second.acquire("it is held")
    assert SOON < time.monotonic() - began < 4 * SOON
    second.check()
    with pytest.raises(StoreError, match="the lease of a at s3://.* was lost"):
        silent.check()
    silent.release()
    assert second.is_held()
    second.release()
    assert not second.is_held()


def test_a_lease_of_which_the_store_is_out_of_reach_runs_out(address, door):
    lease = Lease(ObjectStore(address, patience=1), "a", seconds=SOON)
    lease.acquire("never said")
    door.throttled = 1_000
    time.sleep(1.5 * SOON)
    with pytest.raises(StoreError, match="was lost"):
        lease.check()
    lease.release()
    door.throttled = 0
    other = Lease(ObjectStore(address), "a", seconds=SOON)
    other.acquire("it is held")
    other.release()


def test_of_many_who_want_a_lease_one_has_it_at_a_time(store):
    holders: list[str] = []

    def work(name: str) -> None:
        lease = Lease(store, "a", seconds=30)
        lease.acquire("it is held")
        holders.append(f"{name} in")
        time.sleep(0.05)
        holders.append(f"{name} out")
        lease.release()

    threads = [threading.Thread(target=work, args=[name]) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    order = [holder[0] for holder in holders[::2]]
    assert sorted(order) == ["a", "b", "c"]
    assert holders == [f"{name} {way}" for name in order for way in ("in", "out")]
