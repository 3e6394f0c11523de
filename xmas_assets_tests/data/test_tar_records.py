"""WebDataset shards: what is a record, which pictures are its own, and what is refused."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.data import tar_records as module
from xmas_assets.data.readers import read_records
from xmas_assets.data.registration import Registration
from xmas_assets_tests.data.making import exported, image_root, picture, read, record, seen, talk, write

RED, BLUE = picture("red"), picture("blue")


def shard(path: Path, *files: tuple[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def as_json(**fields) -> bytes:
    return json.dumps(record(**{"id": ..., **fields})).encode()


def value_of(tmp_path: Path, *files: tuple[str, bytes]) -> dict:
    [row] = read_records((shard(tmp_path / "s.tar", *files),))
    assert row.reason is None, row.detail
    return row.value


def refusal_of(tmp_path: Path, *files: tuple[str, bytes]) -> tuple[str, str]:
    [row] = read_records((shard(tmp_path / "s.tar", *files),))
    return row.reason.value, row.detail


def test_a_shard_gives_the_rows_that_a_list_with_paths_gives(tmp_path):
    records = [seen(id="1", task="pets"), record(id="2"), seen(id="3", image="b.png")]
    as_list = Registration.create("made", [write(tmp_path, records)], images=image_root(tmp_path, b_png=BLUE))
    path = shard(
        tmp_path / "s.tar",
        ("1.png", RED),
        ("1.json", json.dumps(records[0] | {"image": "1.png"}).encode()),
        ("2.json", json.dumps(records[1]).encode()),
        ("3.json", json.dumps(records[2] | {"image": "png"}).encode()),
        ("3.png", BLUE),
    )
    columns = ("sample_id", "source_row", "task", "image_hashes", "turns", "digest")
    of_shard = read(Registration.create("made", [path]), image_store=tmp_path / "store")
    expected = [[row[name] for name in columns] for row in read(as_list).samples]
    assert [[row[name] for name in columns] for row in of_shard.samples] == expected
    assert len(expected) == 3
    assert of_shard.quarantine == []


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({}, [RED, BLUE]),
        ({"images": ["1.png", "0.png"]}, [BLUE, RED]),
        ({"images": ["k.1.png", "a/k.0.png"]}, [BLUE, RED]),
        ({"images": ["0.png", "0.png"]}, [RED, RED]),
        ({"images": ["coco/7.png", "coco/8.png"]}, [RED, BLUE]),
    ],
)
def test_the_pictures_are_those_that_the_json_names_or_all(tmp_path, named, expected):
    value = value_of(tmp_path, ("a/k.0.png", RED), ("a/k.json", as_json(**named)), ("a/k.1.png", BLUE))
    assert value["images"] == expected


def test_the_key_is_the_id_where_the_json_names_none(tmp_path):
    assert value_of(tmp_path, ("b/7.x.json", b"{}"), ("b/7.json", as_json()))["id"] == "b/7"
    assert value_of(tmp_path, ("7.json", as_json(id="own")))["id"] == "own"


def test_other_files_of_a_key_are_counted_as_fields_that_are_not_read(tmp_path):
    path = shard(tmp_path / "s.tar", ("1.json", as_json()), ("1.txt", b"a caption"), ("1.cls", b"7"))
    notices = read(Registration.create("made", [path])).ledger.notices
    assert (notices["field_not_read:txt"], notices["field_not_read:cls"]) == (1, 1)


@pytest.mark.parametrize(
    ("files", "reason", "words"),
    [
        ([("1.png", RED)], "no_conversation", "no .json among its files (png)"),
        ([("1.json", b"{")], "bad_json", ""),
        ([("1.json", as_json()), ("1.json", as_json())], "bad_value", "2 files with 1 endings"),
        (
            [("1.json", as_json(images=["0.png", "9.png"])), ("1.0.png", RED)],
            "image_missing",
            "its files are json, 0.png",
        ),
    ],
)
def test_a_record_that_is_not_whole_is_refused_with_its_reason(tmp_path, files, reason, words):
    seen_reason, detail = refusal_of(tmp_path, *files)
    assert seen_reason == reason
    assert words in detail


def test_a_link_or_a_file_too_large_refuses_its_record_only(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 1000)
    path = tmp_path / "s.tar"
    with tarfile.open(path, "w") as archive:
        for name, kind, n_bytes in [("1.png", tarfile.SYMTYPE, 0), ("2.png", tarfile.REGTYPE, 2000)]:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, "/etc/hostname", n_bytes
            archive.addfile(member, io.BytesIO(bytes(n_bytes)))
        member = tarfile.TarInfo("3.json")
        member.size = len(as_json())
        archive.addfile(member, io.BytesIO(as_json()))
    reasons = [row.reason and row.reason.value for row in read_records((path,))]
    assert reasons == ["bad_value", "bad_value", None]


def test_a_shard_cut_off_anywhere_is_refused(tmp_path):
    whole = shard(tmp_path / "s.tar", *[(f"{row}.json", as_json()) for row in range(3)]).read_bytes()
    end = whole.rstrip(b"\x00")
    end_mark = len(end) + -len(end) % 512  # where the last file's padding ends
    for length in [*range(600, end_mark, 97), *range(512, end_mark + 1, 512)]:
        cut = write(tmp_path, whole[:length], "cut.tar")
        with pytest.raises(DatasetError, match=r"cut\.tar: (damaged|is cut off)"):
            list(read_records((cut,)))


def test_shards_that_were_joined_to_one_file_and_damaged_ones_are_refused(tmp_path):
    whole = shard(tmp_path / "s.tar", ("1.json", as_json()), ("2.json", as_json())).read_bytes()
    with pytest.raises(DatasetError, match="goes on after its end mark"):
        list(read_records((write(tmp_path, whole + whole, "two.tar"),)))
    damaged = whole[:1024] + b"x" * 512 + whole[1536:]
    with pytest.raises(DatasetError, match="is cut off|damaged"):
        list(read_records((write(tmp_path, damaged, "damaged.tar"),)))


def test_rows_of_a_shard_are_written_anew_and_not_copied(tmp_path):
    registration = Registration.create("made", [shard(tmp_path / "s.tar", ("1.json", as_json()))])
    written = json.loads(exported(registration, [(0, 0)], tmp_path / "out.json", "llava_json"))
    assert written == [{"id": "1", "conversations": talk("What is it?", "A cat.")}]


def test_parts_that_name_pictures_of_the_shard_hold_them_in_their_own_order(tmp_path):
    def asked(*names: str) -> list[dict]:
        parts = [{"type": "image", "image": name} for name in names] + [{"type": "text", "text": "0.png"}]
        return [{"role": "user", "content": parts}, {"role": "assistant", "content": "0.png"}]

    def hashes(*names: str) -> list[list[str]]:
        files = ("k.0.png", RED), ("k.1.png", BLUE), ("k.json", json.dumps({"messages": asked(*names)}).encode())
        result = read(Registration.create("made", [shard(tmp_path / "s.tar", *files)]), image_store=tmp_path / "store")
        assert result.samples[0]["turns"][1]["text"] == "0.png"
        return result.samples[0]["image_hashes"]

    red, blue = (hashlib.sha256(data).hexdigest() for data in (RED, BLUE))
    assert hashes("1.png", "0.png") == [blue, red]
    with pytest.raises(DatasetError, match="image_count"):  # one of the shard's is named by nothing
        hashes("1.png")


def test_parts_nested_without_end_refuse_their_record_only(tmp_path):
    deep = b'{"messages": ' + b"[" * 900 + b"]" * 900 + b"}"
    path = shard(tmp_path / "s.tar", ("1.json", deep), ("1.png", RED), ("2.json", as_json()))
    result = read(Registration.create("made", [path]), image_store=tmp_path / "store")
    assert [row["sample_id"] for row in result.samples] == ["2"]
    assert [row["reason"] for row in result.quarantine] == ["bad_value"]
