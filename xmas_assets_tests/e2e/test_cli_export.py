"""``xmas export``, run for real: what it writes, what it replaces, and what it refuses."""

import csv
import json

import pyarrow.parquet as pq
import pytest

from xmas_assets.data.trainers.registry import TOOLS
from xmas_assets_tests.e2e.platforms import KEY, RECORDS, xmas


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


@pytest.mark.parametrize("tool", TOOLS)
def test_a_subset_is_written_for_every_tool_and_its_manifest_verifies(own, tool):
    out = own.parent / tool
    said = xmas(own, "export", "own", "random_b0.50_s0", "--for", tool, "--to", out)
    assert (said.code, said.out) == (
        0,
        f"2 records in {out} for {TOOLS[tool].title}; {out}/README.md says how to load them\n",
    )
    assert "2 of the 4 rows of `own`, chosen by `random` with budget 0.50" in (out / "README.md").read_text()
    assert json.loads((out / "xmas_export.json").read_text())["tool"] == tool
    assert xmas(own, "verify", out / "own_random_b0.50_s0.manifest.json").code == 0
    assert xmas(own, "export", "own", "full_b1.00_s0", "--for", tool, "--to", out).code == 0  # replaces it


def test_verify_finds_what_was_changed_in_a_folder(own):
    out = own.parent / "out"
    assert xmas(own, "export", "own", "full_b1.00_s0", "--for", "llava", "--to", out).code == 0
    manifest = out / "own_full_b1.00_s0.manifest.json"
    assert "verified: all of out is as it was exported, and 4 of 4 rows" in xmas(own, "verify", manifest).out
    (out / "images" / "a.png").write_bytes(b"another")
    (out / "own_full_b1.00_s0.json").unlink()
    said = "images, own_full_b1.00_s0.json in out changed since the export; export it again"
    assert said in xmas(own, "verify", manifest).message


def test_what_a_folder_does_not_hold_is_said_in_a_line_each(own):
    words = ("--for", "openai", "--to", own.parent / "out", "--with-scores")
    said = xmas(own, "export", "own", "full_b1.00_s0", *words)
    assert said.err.splitlines()[1:] == [
        "Fields of the source that are not carried: x.",
        "The method gives rows no score and no rank.",
    ]


def test_options_that_do_not_go_together_are_refused_in_one_line(own):
    out = own.parent / "out"
    for words, said in [
        (
            ("--for", "lamafactory"),
            "--for 'lamafactory' is not known; did you mean 'llamafactory'? use one of llamafactory, swift",
        ),
        (("--for", "llava", "--format", "sharegpt"), "--format and --force are for single files"),
        (("--for", "llava", "--force"), "--format and --force are for single files"),
        (("--for", "llava", "--paths", "short"), "--paths 'short' is not known; use one of relative, absolute"),
        (
            ("--for", "llava", "--image-files", "move"),
            "--image-files 'move' is not known; use one of copy, link, leave",
        ),
        (("--for", "hf", "--image-files", "copy"), "pictures for hf cannot be 'copy'; use embed"),
        (("--with-scores",), "--image-files, --paths and --with-scores need --for with one of llamafactory, swift"),
        (("--paths", "relative"), "--image-files, --paths and --with-scores need --for"),
    ]:
        done = xmas(own, "export", "own", "full_b1.00_s0", "--to", out, *words)
        assert (done.code, len(done.err.splitlines()) <= 2) == (2, True)
        assert said in done.err
    assert not out.exists()


def test_scores_and_ranks_are_those_that_the_selection_followed(copied, tmp_path):
    out = tmp_path / "out"
    assert xmas(copied, "export", "shapes", KEY, "--for", "ids", "--with-scores", "--to", out).code == 0
    with (out / "ids.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    tables = copied / "tables"
    clusters = pq.read_table(tables / "clusters" / "dataset=shapes" / "clusters.parquet").to_pylist()
    known = {row["sample_id"]: row for row in clusters}
    assert len(rows) == 48
    for row in rows:
        own_row = known[row["sample_id"]]
        assert row["group"] == f"cluster {own_row['label']}"
        assert float(row["score"]) == own_row["instability"]
        assert int(row["rank"]) == own_row["stability_rank"] + 1
