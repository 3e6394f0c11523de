import io
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.data import json_slices
from xmas_assets.data.json_slices import ListSplitter, line_slices, list_slices

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below, max_size=3),
    max_leaves=8,
)


def slices_of(data: bytes) -> list[bytes]:
    return [piece.raw for piece in ListSplitter("made.json", io.BytesIO(data)).slices()]


@given(st.lists(JSON_VALUES, max_size=5), st.integers(1, 40), st.sampled_from([None, 1]), st.booleans())
def test_slices_of_any_json_list_parse_to_its_values_at_any_chunk_size(values, chunk_bytes, indent, ascii_only):
    data = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_slices, "_CHUNK_BYTES", chunk_bytes)
        pieces = slices_of(data)
    assert [json.loads(piece) for piece in pieces] == values


@pytest.mark.parametrize("depth", [1, 2, 5, 6, 7, 8, 100, 5000])
def test_a_slice_may_be_nested_to_any_depth(depth):
    record = b'[{"a": ' * depth + b'"]}"' + b"}]" * depth
    assert slices_of(b"[" + record + b", " + record + b"]") == [record, record]


def test_a_slice_is_the_exact_bytes_of_its_record():
    assert slices_of(b' [ {"a" :  1.50 ,"b":"\\u00e9"}\n,\t{"a":"]}\\"["} ] \n') == [
        b'{"a" :  1.50 ,"b":"\\u00e9"}',
        b'{"a":"]}\\"["}',
    ]


def test_offsets_point_at_the_records(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf[1, {"b": 2}]')
    assert [piece.offset for piece in list_slices(path)] == [4, 7]


@pytest.mark.parametrize(
    "data",
    [b'[{"a": 1}', b'[{"a": 1', b'[{"a": "x', b'[{"a": 1},', b"[", b'[{"a": "\\'],
    ids=["no-end", "in-object", "in-text", "after-comma", "bracket-only", "in-escape"],
)
def test_a_list_cut_off_anywhere_is_refused(data):
    with pytest.raises(DatasetError, match=r"made.json: at byte \d+: .*(cut off)"):
        slices_of(data)


@pytest.mark.parametrize(
    ("data", "place"),
    [(b"[1, 2, ]", 7), (b"[1,, 2]", 3), (b"[,1]", 1), (b"[1 2]", 3), (b"[1}", 2), (b"[1]]", 3), (b"[1] [2]", 4)],
    ids=["trailing-comma", "two-commas", "leading-comma", "no-comma", "wrong-bracket", "bracket-after", "second-list"],
)
def test_a_misplaced_comma_or_bracket_is_refused_with_its_byte(data, place):
    with pytest.raises(DatasetError, match=f"at byte {place}:"):
        slices_of(data)


@pytest.mark.parametrize(
    "bad", [b'{"a": "' + b"x]}" * 40 + b'\\" "}', b'"' + b"\\n" * 70 + b'"', b"[" + b"[1]," * 40 + b"2]"]
)
def test_a_record_too_large_to_hold_is_skipped_whole_and_marked(monkeypatch, bad):
    monkeypatch.setattr(json_slices, "MAX_RECORD_BYTES", 100)
    monkeypatch.setattr(json_slices, "HEAD_BYTES", 20)
    monkeypatch.setattr(json_slices, "_CHUNK_BYTES", 7)
    pieces = list(ListSplitter("made.json", io.BytesIO(b"[1, " + bad + b", {}]")).slices())
    assert [piece.is_cut for piece in pieces] == [False, True, False]
    assert bad.startswith(pieces[1].raw)
    assert pieces[2].raw == b"{}"


def test_a_too_large_record_that_never_ends_is_refused(monkeypatch):
    monkeypatch.setattr(json_slices, "MAX_RECORD_BYTES", 100)
    monkeypatch.setattr(json_slices, "_CHUNK_BYTES", 16)
    with pytest.raises(DatasetError, match="cut off"):
        slices_of(b'[{"a": "' + b"x" * 500)


def test_lines_need_no_newline_at_the_end_and_blank_ones_are_no_records(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\n  \n{"a": 2}')
    assert [(piece.offset, piece.raw) for piece in line_slices(path)] == [(3, b'{"a": 1}'), (17, b'{"a": 2}')]


def test_a_line_too_large_to_hold_is_cut_and_the_next_one_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(json_slices, "MAX_RECORD_BYTES", 100)
    monkeypatch.setattr(json_slices, "_CHUNK_BYTES", 16)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"[" + b"1" * 333 + b"]\n{}\n")
    assert [(piece.offset, piece.is_cut) for piece in line_slices(path)] == [(0, True), (336, False)]


def test_a_record_of_five_times_the_limit_is_set_aside_in_bounded_memory(tmp_path, monkeypatch):
    """The limit is lowered from 64 to 4 MiB to keep the test short; 20 MB of one text with escapes are skipped."""
    monkeypatch.setattr(json_slices, "MAX_RECORD_BYTES", 4 << 20)
    path = tmp_path / "a.json"
    path.write_bytes(b'[{"a": "' + (b"x" * 1000 + b"\\n]") * 20_000 + b'"}, {}]')
    tracemalloc.start()
    assert [piece.is_cut for piece in list_slices(path)] == [True, False]
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 5 * (4 << 20)
