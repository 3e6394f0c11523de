"""Workbooks that servers take: cells of any text, the same bytes again."""

import io
import zipfile
from xml.etree import ElementTree

from xmas_assets.evaluation.benchmarks.workbook import workbook

CELL = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}c"


def _cells(content: bytes) -> list[tuple[str | None, str]]:
    """Type and text of each cell."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    return [(cell.get("t"), "".join(cell.itertext())) for cell in sheet.iter(CELL)]


def test_texts_stay_texts_and_numbers_are_numbers():
    assert _cells(workbook([["=1+1", 12, "", " a<b>&\n选A 🙂 "]])) == [
        ("inlineStr", "=1+1"),
        (None, "12"),
        (None, ""),
        ("inlineStr", " a<b>&\n选A 🙂 "),
    ]


def test_what_a_cell_cannot_hold_is_left_out():
    (control, lone, long) = _cells(workbook([["a\x00b\x0bc", "x\ud800y\uffff", "z" * 40_000]]))
    assert (control[1], lone[1], len(long[1])) == ("abc", "xy", 32_767)


def test_the_same_rows_give_the_same_bytes():
    assert workbook([["a", 1]]) == workbook([["a", 1]])
