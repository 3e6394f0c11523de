import json
import os

import pytest
from pydantic import ValidationError

from xmas_assets.contracts.errors import SelectionError
from xmas_assets.contracts.manifest import Manifest

FIELDS = {
    "dataset": "pets",
    "dataset_digest": "a" * 64,
    "source_files": [{"name": "train.json", "sha256": "b" * 64}],
    "n_samples": 10,
    "method": "xmas",
    "parameters": {"n_clusters": 3, "definition": "causal"},
    "budget": "0.20",
    "seed": 0,
    "n_selected": 2,
    "rows": [3, 7],
    "sample_ids": ["é", "b"],
    "library_versions": {"numpy": "2", "torch": "2"},
    "upstream": {"clusters": "c" * 64},
    "proxy_base": "d" * 64,
    "proxy_checkpoints": ["e" * 64],
}


def test_a_manifest_survives_writing_and_reading(tmp_path):
    manifest = Manifest.model_validate(FIELDS)
    (tmp_path / "a.manifest.json").write_bytes(manifest.to_bytes())
    assert Manifest.read(tmp_path / "a.manifest.json") == manifest


def test_equal_manifests_are_equal_byte_for_byte_whatever_the_order_of_their_fields():
    turned = {name: FIELDS[name] for name in reversed(FIELDS)}
    turned["parameters"] = dict(reversed(FIELDS["parameters"].items()))
    first, second = Manifest.model_validate(FIELDS).to_bytes(), Manifest.model_validate(turned).to_bytes()
    assert first == second
    assert first.endswith(b"}\n")
    assert "é".encode() in first


def test_the_bytes_are_those_of_the_json_library_with_sorted_keys_and_an_indent_of_one():
    ids = ('"quoted"', "back\\slash", "néw\nline", "\u2028", 'x\n "rows": []')
    for rows, sample_ids in (((0, 3, 5, 7, 11), ids), ((2,), ("one",))):
        chosen = {"rows": rows, "sample_ids": sample_ids, "n_selected": len(rows), "n_samples": 12}
        manifest = Manifest.model_validate(FIELDS | chosen | {"parameters": {"rows": [], "a": [1, 2]}})
        fields = manifest.model_dump(mode="json")
        expected = json.dumps(fields, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
        assert manifest.to_bytes().decode() == expected


def test_every_field_is_in_the_file_and_the_exported_file_only_in_its_own_manifest(tmp_path):
    stored = Manifest.model_validate(FIELDS)
    only_where_in_force = {"excluded", "export", "grown", "method_package"}
    assert set(json.loads(stored.to_bytes())) == set(Manifest.model_fields) - only_where_in_force
    exported = {"file": "a.json", "sha256": "f" * 64, "format": "original"}
    beside = Manifest.model_validate(FIELDS | {"export": exported})
    (tmp_path / "a.manifest.json").write_bytes(beside.to_bytes())
    assert Manifest.read(tmp_path / "a.manifest.json") == beside
    assert json.loads(beside.to_bytes()) == json.loads(stored.to_bytes()) | {"export": exported}


def test_a_pipe_is_no_manifest_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.manifest.json")
    with pytest.raises(SelectionError, match="not a regular file"):
        Manifest.read(tmp_path / "a.manifest.json")


def test_the_package_of_a_method_is_in_the_file_where_there_is_one():
    package = {"distribution": "other", "version": "1.0"}
    others = Manifest.model_validate(FIELDS | {"method_package": package})
    assert json.loads(others.to_bytes()) == json.loads(Manifest.model_validate(FIELDS).to_bytes()) | {
        "method_package": package
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"n_selected": 3}, "n_selected 3, 2 rows and 2 sample_ids must agree"),
        ({"rows": [7, 3]}, "ascending and unique"),
        ({"rows": [3, 3]}, "ascending and unique"),
        ({"rows": [3, 10]}, r"rows must be in 0..9"),
        ({"rows": [-1, 3]}, r"rows must be in 0..9"),
        ({"sample_ids": ["a", "a"]}, "sample_ids must be unique"),
        ({"dataset_digest": "xyz"}, "dataset_digest: String should match pattern"),
        ({"schema_version": 2}, "schema_version: .*less than or equal to 1, got 2"),
        ({"time": "now"}, "time: Extra inputs are not permitted"),
        ({"budget": "20%"}, "budget: String should match"),
        ({"source_files": []}, "source_files: .*at least 1"),
    ],
)
def test_a_manifest_that_does_not_fit_together_is_refused_in_one_line(tmp_path, changes, said):
    path = tmp_path / "a.manifest.json"
    path.write_text(json.dumps({**FIELDS, **changes}))
    with pytest.raises(SelectionError, match=said) as caught:
        Manifest.read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"null"])
def test_a_file_that_is_no_manifest_is_refused(tmp_path, content):
    path = tmp_path / "a.manifest.json"
    path.write_bytes(content)
    with pytest.raises(SelectionError, match="not a manifest of version 1"):
        Manifest.read(path)


def test_a_missing_manifest_is_refused(tmp_path):
    with pytest.raises(SelectionError, match="No such file or directory"):
        Manifest.read(tmp_path / "none.manifest.json")


def test_a_manifest_cannot_be_changed():
    with pytest.raises(ValidationError):
        Manifest.model_validate(FIELDS).seed = 1
