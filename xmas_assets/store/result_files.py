"""The result of a query as a file of another program's."""

import io
import json
from decimal import Decimal
from math import isfinite
from typing import Any

import polars as pl

RESULT_FORMATS = ("csv", "json", "parquet")


def result_bytes(result: pl.DataFrame, form: str) -> bytes:
    """A query's result in one of ``RESULT_FORMATS``.

    CSV has no nested values: they are written as JSON texts. JSON, a list of rows, has no dates and no NaN: they are
    written as text and null. Parquet has all.
    """
    if form == "json":
        rows = [{name: plain(value) for name, value in row.items()} for row in result.iter_rows(named=True)]
        return (json.dumps(rows, ensure_ascii=False, indent=1) + "\n").encode()
    stream = io.BytesIO()
    if form == "csv":
        nested = [name for name, kind in result.schema.items() if kind.is_nested() or kind == pl.Binary]
        texts = [pl.Series(name, [_text(value) for value in result[name].to_list()], pl.String) for name in nested]
        result.with_columns(texts).write_csv(stream)
    else:
        result.write_parquet(stream)
    return stream.getvalue()


def plain(value: Any) -> Any:
    """The value as JSON has it: NaN is null, a decimal is a number, and what JSON does not know is its text."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(plain(value), ensure_ascii=False)
