"""The original records of rows that were accepted from them, and one field of these."""

from collections.abc import Iterable, Iterator
from typing import Any

from xmas_assets.contracts.errors import DatasetError
from xmas_assets.contracts.remedies import how_to_make
from xmas_assets.data.export import Place
from xmas_assets.data.json_records import RawRecord
from xmas_assets.data.readers import read_records
from xmas_assets.data.registration import Registration


def records_at(registration: Registration, places: Iterable[Place]) -> Iterator[RawRecord]:
    """The records at some places, one after the other; the files are gone through once.

    Args:
        registration: The dataset.
        places: Ascending, as the rows of a ``samples`` table are.

    Raises:
        DatasetError: If a source file cannot be read, or a place is not in it.
    """
    records = read_records(registration.annotations, registration.format, registration.columns)
    for place in places:
        record = next((record for record in records if (record.source_file, record.source_row) == place), None)
        if record is None:
            remedy = how_to_make("raw_dataset", dataset=registration.name)
            raise DatasetError(f"record {place[1]} of source file {place[0]} is gone; {remedy}")
        yield record


def field_values(registration: Registration, places: Iterable[Place], field: str) -> Iterator[Any]:
    """What the records at some places hold in a field, one record after the other; None where they lack it.

    Args:
        registration: The dataset.
        places: Ascending, as the rows of a ``samples`` table are.
        field: Key of a JSON record, or column of a Parquet file.

    Raises:
        DatasetError: If a source file cannot be read, a place is not in it, or no record has the field.
    """
    is_known = False
    for record in records_at(registration, places):
        has_field = isinstance(record.value, dict) and field in record.value
        is_known |= has_field
        yield record.value[field] if has_field else None
    if not is_known:
        raise DatasetError(f"no record has a field {field[:80]!r}; name one that the annotation files have")
