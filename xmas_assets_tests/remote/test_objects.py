"""Objects of a store: whole, conditional, and explained when they cannot be had."""

import pickle
import sys
import threading
from pathlib import Path

import pytest

from xmas_assets.contracts.errors import StoreError
from xmas_assets.files.objects import ObjectStore
from xmas_assets_tests.remote.server import BUCKET, client_of


def keys(s3: str, address: str) -> list[str]:
    """What another client sees below an address."""
    prefix = address.removeprefix(f"s3://{BUCKET}/") + "/"
    return [
        found["Key"].removeprefix(prefix)
        for found in client_of(s3).list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    ]


@pytest.mark.parametrize(
    "address",
    ["s3://b", "s3:///x", "s3://Bucket/x", "s3://bucket/../x", "s3://bucket/a b", "gs://bucket/x", "s3://bucket//x"],
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(StoreError, match="write s3://BUCKET/PREFIX"):
        ObjectStore(address)


def test_only_who_saw_the_last_state_may_change_an_object(address):
    store = ObjectStore(address)
    assert store.get("a") is None
    tag = store.put_if("a", b"1", None)
    assert store.put_if("a", b"2", None) is None
    assert store.put_if("a", b"3", tag) is not None
    assert store.put_if("a", b"4", tag) is None
    found = store.get("a")
    assert found is not None and found.content == b"3"


def test_of_many_writers_for_the_same_names_exactly_one_wins_each(address):
    wins: list[tuple[int, int]] = []

    def write(who: int) -> None:
        store = ObjectStore(address)
        wins.extend((name, who) for name in range(10) if store.put_if(f"race/{name}", str(who).encode(), None))

    threads = [threading.Thread(target=write, args=[who]) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for name, _ in wins) == list(range(10))
    store = ObjectStore(address)
    assert {name: store.get(f"race/{name}").content for name in range(10)} == {n: str(w).encode() for n, w in wins}  # pyright: ignore[reportOptionalMemberAccess]


def test_a_file_larger_than_one_request_comes_back_as_it_was(address, tmp_path: Path):
    store, source, target = ObjectStore(address), tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(range(256)) * 50_000)
    store.put("large", source)
    store.fetch("large", target)
    assert target.read_bytes() == source.read_bytes()


def test_a_put_that_is_cut_off_in_the_middle_leaves_nothing_and_is_tried_again(address, s3, door):
    store = ObjectStore(address)
    door.cut_puts = 2
    store.put("whole", b"x" * 10_000)
    assert [request.split()[0] for request in door.requests] == ["PUT"] * 3
    found = store.get("whole")
    assert found is not None and found.content == b"x" * 10_000
    door.cut_puts = 1_000
    with pytest.raises(StoreError, match="cannot be used"):
        ObjectStore(address, patience=1).put("cut", b"x" * 10_000)
    assert keys(s3, address) == ["whole"]


def test_a_store_that_asks_to_slow_down_is_asked_again(address, door):
    store = ObjectStore(address)
    door.throttled = 3
    store.put("a", b"1")
    door.throttled = 2
    found = store.get("a")
    assert found is not None and found.content == b"1"
    assert len(door.requests) == 7


def test_a_store_that_is_not_there_is_one_line_within_a_bounded_time(address, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(
        StoreError, match=r"^s3://bucket/\S+ cannot be used \(.*\); check the bucket, AWS_ENDPOINT_URL"
    ) as caught:
        ObjectStore(address, patience=1).get("a")
    assert "\n" not in str(caught.value)


def test_a_bucket_that_is_not_there_is_named(address):
    with pytest.raises(StoreError, match="^the bucket of s3://nobucket/x is not there; make it"):
        ObjectStore("s3://nobucket/x").get("a")


def test_a_store_can_be_sent_to_another_process_and_takes_no_secret_along(address):
    store = ObjectStore(address)
    store.put("a", b"1")
    sent = pickle.dumps(store)
    assert b"word" not in sent
    assert pickle.loads(sent).get("a").content == b"1"


def test_an_answer_that_is_lost_does_not_hide_what_was_put(address, door):
    """The request is sent again and refused, for the object is there: who put it tells its content."""
    door.lost_answers = 1
    store = ObjectStore(address)
    assert store.put_if("a", b"mine", None) is None
    found = store.get("a")
    assert found is not None and found.content == b"mine"


def test_a_disk_that_cannot_take_what_is_fetched_is_named_and_not_the_store(address, tmp_path):
    store = ObjectStore(address)
    store.put("a", b"1")
    with pytest.raises(StoreError, match=r"absent cannot be written \(No such file or directory\); free some space"):
        store.fetch("a", tmp_path / "absent" / "a")


def test_without_the_package_it_is_said_what_to_install(address, monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore", None)
    for ask in (lambda: ObjectStore(address).get("a"), lambda: ObjectStore(address).put_if("a", b"", None)):
        with pytest.raises(StoreError, match=r"run: pip install 'xmas-assets\[s3\]'$"):
            ask()
