import json

from xmas_assets_tests.data.making import read_records_of, record, write


def test_the_ledger_is_also_a_table_with_a_row_per_split(tmp_path):
    test = write(tmp_path, [record()], "test.json")
    result = read_records_of(tmp_path, [record(), record(id=...), {}], test=[test])
    notices = json.dumps({"generated_id": 1, "same_content": 1, "text_only": 3}, separators=(",", ":"))
    assert result.ledger_rows == [
        {"split": "samples", "rows_in": 3, "rows_out": 2, "quarantined": 1, "notices": notices},
        {"split": "test", "rows_in": 1, "rows_out": 1, "quarantined": 0, "notices": notices},
    ]


def test_a_dataset_without_test_files_has_one_row(tmp_path):
    assert [row["split"] for row in read_records_of(tmp_path, [record()]).ledger_rows] == ["samples"]
