"""``xmas export``, run for real: what it writes, what it replaces, and what it refuses."""

import json

import pyarrow.parquet as pq
import pytest

from xmas_assets_tests.e2e.platforms import RECORDS, xmas


def test_an_export_holds_the_original_records_byte_for_byte(own):
    out = own / "all.json"
    said = xmas(own, "export", "own", "full_b1.00_s0", "--to", out)
    assert (said.code, said.out) == (0, f"4 records in {out}, manifest in {own}/all.manifest.json\n")
    assert out.read_bytes() == ("[" + ",\n".join(RECORDS) + "]\n").encode()
    xmas(own, "export", "own", "random_b0.50_s0", "--to", own / "half.json")
    stated = json.loads((own / "half.manifest.json").read_text())
    rows, libraries = stated["rows"], set(stated["library_versions"])
    assert libraries == {"python", "xmas-assets", "numpy", "scipy", "scikit-learn", "faiss-cpu"}  # no model was read
    assert len(rows) == 2
    assert (own / "half.json").read_bytes() == ("[" + ",\n".join(RECORDS[row] for row in rows) + "]\n").encode()


def test_an_export_replaces_an_earlier_export_and_with_force_a_strangers_file_but_never_an_input(own, tmp_path):
    source, out = own.parent / "data" / "train.json", own.parent / "out.json"
    before = source.read_bytes()

    def export(to, *words):
        return xmas(own, "export", "own", "full_b1.00_s0", "--to", to, *words)

    for target, said in [
        (source, "is a source file of dataset 'own'"),
        (own.parent / "data" / "a.png", "does not say its format"),
        (own / "tables" / "raw_dataset" / "x.json", "is inside a folder of XMAS_HOME"),
        (own.parent / "data", "is a directory"),
        ("", "is a directory"),
        (f"{'n' * 300}.json", "File name too long"),
        (own.parent / "x.parquet", "add --format parquet to convert the records"),
    ]:
        assert said in export(target).message
        assert said in export(target, "--force").message
    assert source.read_bytes() == before
    out.write_text("mine")
    assert "is not an earlier export with its manifest; choose another path, or add --force" in export(out).message
    assert out.read_text() == "mine"
    assert export(out, "--force").code == 0
    assert export(out).code == 0
    assert out.read_bytes() == ("[" + ",\n".join(RECORDS) + "]\n").encode()
    assert export(own.parent / "lines.jsonl").code == 0
    written = (own.parent / "lines.jsonl").read_text().splitlines()
    assert written == [*RECORDS[:3], RECORDS[3].replace("\n  ", " ")]
    assert xmas(own, "verify", own.parent / "lines.manifest.json").code == 0


@pytest.mark.parametrize("name", ["llava_json", "llava_jsonl", "sharegpt", "parquet"])
def test_an_export_to_any_format_reads_back_as_the_same_dataset(own, name):
    out = own / f"{name}.{ {'llava_jsonl': 'jsonl', 'parquet': 'parquet'}.get(name, 'json') }"
    assert xmas(own, "export", "own", "full_b1.00_s0", "--to", out, "--format", name).code == 0
    images = [] if name == "parquet" else ["--images", own.parent / "data"]
    assert xmas(own, "dataset", "add", "again", "--annotations", out, *images).code == 0
    assert xmas(own, "select", "again", "--method", "full").code == 0
    answers = [
        pq.read_table(own / "tables" / "raw_dataset" / f"dataset={dataset}" / "samples.parquet")
        .column("turns")
        .to_pylist()
        for dataset in ("own", "again")
    ]
    assert answers[0] == answers[1]


def test_a_changed_dataset_fails_export_and_verify(own):
    assert xmas(own, "export", "own", "random_b0.50_s0", "--to", own / "half.json").code == 0
    source = own.parent / "data" / "train.json"
    source.write_text(source.read_text().replace("ciao", "salve"))
    assert (
        "changed since the dataset was read"
        in xmas(own, "export", "own", "full_b1.00_s0", "--to", own / "n.json").message
    )
    assert xmas(own, "select", "own", "--method", "full").code == 0
    assert "has changed since the selection" in xmas(own, "verify", own / "half.manifest.json").message
    stale = xmas(own, "export", "own", "random_b0.50_s0", "--to", own / "n.json")
    assert "was read again since random_b0.50_s0 was selected" in stale.message
    assert not (own / "n.json").exists()
