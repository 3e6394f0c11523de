"""Small datasets on disk for the tests of ``data``."""

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from xmas_assets.contracts.manifest import Manifest, SourceFile
from xmas_assets.data.export import export_subset
from xmas_assets.data.ingest import ingest
from xmas_assets.data.inputs import Inputs
from xmas_assets.data.ledger import Ledger
from xmas_assets.data.registration import Registration
from xmas_assets.files.whole import file_sha256


class Read(NamedTuple):
    """Everything that one reading of a dataset gave, as Python rows."""

    samples: list[dict[str, Any]]
    test: list[dict[str, Any]]
    quarantine: list[dict[str, Any]]
    ledger_rows: list[dict[str, Any]]
    ledger: Ledger


def picture(colour: str = "red", *, size: tuple[int, int] = (8, 8), kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, kind)
    return stream.getvalue()


def record(**changes: Any) -> dict[str, Any]:
    """A good text-only LLaVA record with some of its fields changed; ``...`` removes a field."""
    fields = {"id": "a", "conversations": talk("What is it?", "A cat."), **changes}
    return {name: value for name, value in fields.items() if value is not ...}


def talk(*texts: Any) -> list[dict[str, Any]]:
    """Turns of human and gpt in alternation."""
    return [{"from": "gpt" if index % 2 else "human", "value": text} for index, text in enumerate(texts)]


def seen(**changes: Any) -> dict[str, Any]:
    """A good LLaVA record about the image ``a.png``."""
    return record(**{"image": "a.png", "conversations": talk("<image>\nWhat is it?", "A cat."), **changes})


def write(folder: Path, content: list[Any] | bytes | str, name: str = "train.json") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def image_root(folder: Path, **files: bytes) -> Path:
    """A folder of images with ``a.png`` in it, and the given files (``b_png=...`` is ``b.png``)."""
    root = folder / "images"
    root.mkdir(exist_ok=True)
    for name, data in {"a_png": picture(), **files}.items():
        (root / name.replace("_", ".")).write_bytes(data)
    return root


def read(registration: Registration, **options: Any) -> Read:
    ingestion = ingest(registration, **options)
    tables: dict[str, list[dict[str, Any]]] = {"samples": [], "test": [], "quarantine": [], "ledger": []}
    for name, batch in ingestion:
        tables[name].extend(batch.to_pylist())
    ledger_rows = tables.pop("ledger")
    return Read(**tables, ledger_rows=ledger_rows, ledger=ingestion.ledger)


def read_records_of(folder: Path, records: list[Any] | bytes | str, *, name: str = "train.json", **fields: Any) -> Read:
    return read(Registration.create("made", [write(folder, records, name)], **fields))


def reason_of(folder: Path, bad: Any, **fields: Any) -> str:
    """Reason code of one bad record that stands beside a good one."""
    result = read_records_of(folder, [record(id="good"), bad], **fields)
    assert [row["sample_id"] for row in result.samples] == ["good"]
    assert len(result.quarantine) == 1
    return result.quarantine[0]["reason"]


def manifest_of(registration: Registration) -> Manifest:
    """A manifest whose source files are right; the rest does not matter here."""
    files = tuple(SourceFile(name=path.name, sha256=file_sha256(path)) for path in registration.annotations)
    return Manifest(
        dataset=registration.name,
        dataset_digest="0" * 64,
        source_files=files,
        n_samples=9,
        method="random",
        parameters={},
        budget="0.20",
        seed=0,
        n_selected=1,
        rows=(0,),
        sample_ids=("a",),
    )


def exported(registration: Registration, places, to: Path, file_format: str | None = None, **options: Any) -> bytes:
    options = {"manifest": manifest_of(registration), "inputs": Inputs([registration]), **options}
    export_subset(registration, places, to=to, file_format=file_format, **options)
    return to.read_bytes()
