"""``xmas dataset refused``: what was refused when a dataset was read, also where that was everything."""

import json

from xmas_assets_tests.e2e.platforms import RECORDS, xmas

SILENT = '{"id": "s", "conversations": [{"from": "human", "value": "x"}, {"from": "gpt", "value": ""}]}'


def test_refused_records_are_said_shown_and_written_also_when_none_is_left(own, tmp_path):
    train = own.parent / "data" / "train.json"
    train.write_text(f"[{SILENT}, {RECORDS[0]}]", encoding="utf-8")
    said = xmas(own, "select", "own", "--method", "full")
    why = "is record 0 of train.json: turn 1 of the assistant is empty"
    assert f"  refused in annotations as empty_answer: 1; the first {why}\n" in said.err
    train.write_text(f"[{SILENT}]", encoding="utf-8")
    said = xmas(own, "select", "own", "--method", "full")
    assert (said.code, said.err.endswith("; see: xmas dataset refused own\n")) == (1, True)
    shown = xmas(own, "dataset", "show", "own").err
    assert "no row was left when it was last read; see: xmas dataset refused own" in shown
    (row,) = json.loads(xmas(own, "dataset", "refused", "own", "--json").out)["reasons"]
    assert (row["reason"], row["rows"], row["file"], row["source_row"]) == ("empty_answer", 1, "train.json", 0)
    shown = xmas(own, "dataset", "refused", "own", "--reason", "empty_answer").out.splitlines()
    assert shown[1].split("\t")[-1] == SILENT
    to = tmp_path / "refused.jsonl"
    assert xmas(own, "dataset", "refused", "own", "--export", to).code == 0
    assert to.read_text() == SILENT + "\n"
    assert "did you mean 'empty_answer'" in xmas(own, "dataset", "refused", "own", "--reason", "empty_answr").message
