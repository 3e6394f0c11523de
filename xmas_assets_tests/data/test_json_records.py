import pytest

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.data.json_records import line_records, list_records
from xmas_assets_tests.data.making import write


def reasons(records) -> list[str | None]:
    return [record.reason.value if record.reason else None for record in records]


@pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"-Infinity"])
def test_a_nan_literal_in_a_list_is_refused_with_record_and_byte(tmp_path, literal):
    path = write(tmp_path, b'[{"a": 1}, {"a": ' + literal + b"}]")
    with pytest.raises(DatasetError, match="record 1 at byte 11 is not valid JSON"):
        list(list_records(path, 0))


def test_a_trailing_comma_inside_a_record_of_a_list_is_refused(tmp_path):
    path = write(tmp_path, b'[{"a": 1,}]')
    with pytest.raises(DatasetError, match="record 0 at byte 1 is not valid JSON .*JSONL"):
        list(list_records(path, 0))


def test_a_broken_line_is_set_aside_alone(tmp_path):
    path = write(tmp_path, b'{"a": 1}\n{"a": NaN}\n{"a": 1,}\nword\n{"a": 2}\n')
    assert reasons(line_records(path, 0)) == [None, "bad_json", "bad_json", "bad_json", None]


def test_lines_cut_off_in_the_last_record_are_refused(tmp_path):
    path = write(tmp_path, b'{"a": 1}\n{"a": "half')
    with pytest.raises(DatasetError, match="the last record .1, at byte 9. is cut off"):
        list(line_records(path, 0))


def test_the_last_line_without_newline_is_read(tmp_path):
    path = write(tmp_path, b'{"a": 1}\n{"a": 2}')
    assert [record.value for record in line_records(path, 0)] == [{"a": 1}, {"a": 2}]


def test_a_byte_order_mark_is_no_part_of_the_first_record(tmp_path):
    path = write(tmp_path, b'\xef\xbb\xbf[{"a": 1}]')
    assert [record.value for record in list_records(path, 0)] == [{"a": 1}]


def test_invalid_utf8_sets_aside_its_record_alone(tmp_path):
    path = write(tmp_path, b'[{"a": 1}, {"a": "\xff\xfe"}, {"a": "\xed\xa0\x80"}, {"a": 2}]')
    records = list(list_records(path, 0))
    assert reasons(records) == [None, "bad_encoding", "bad_encoding", None]
    assert records[1].raw == b'{"a": "\xff\xfe"}'


def test_a_lone_surrogate_or_control_character_sets_aside_its_record_alone(tmp_path):
    path = write(tmp_path, b'[{"a": "\\ud800"}, {"a": "x\x00y"}, {"a": "\\ud83d\\ude00"}]')
    records = list(list_records(path, 0))
    assert reasons(records) == ["bad_text", "bad_text", None]
    assert records[2].value == {"a": "\N{GRINNING FACE}"}


def test_a_record_nested_a_hundred_thousand_deep_is_set_aside(tmp_path):
    path = write(tmp_path, b"[" + b"[" * 100_000 + b"]" * 100_000 + b", {}]")
    assert reasons(list_records(path, 0)) == ["too_large", None]
