"""``xmas verify``, run for real: the same rows, what differs, and what was changed by a person."""

import json
import re
import shutil

import pytest

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.data.registration import Registration
from xmas_assets.home.home import Home
from xmas_assets.stages.subsets import make_subset
from xmas_assets_tests.e2e.platforms import KEY, xmas


def test_a_manifest_of_an_export_is_verified_and_what_is_none_refused(copied, tmp_path):
    assert xmas(copied, "export", "shapes", KEY, "--to", tmp_path / "subset.json").code == 0
    manifest = tmp_path / "subset.manifest.json"
    said = xmas(copied, "verify", manifest)
    assert (said.code, said.out) == (
        0,
        "verified: subset.json is as it was exported, and 48 of 240 rows of 'shapes' come out the same\n",
    )
    stated = json.loads(manifest.read_text())
    assert {"numpy", "torch", "transformers", "xmas-assets"} <= set(stated["library_versions"])
    manifest.write_text("{")
    assert "not a manifest" in xmas(copied, "verify", manifest).message
    assert "cannot be read" in xmas(copied, "verify", tmp_path / "none.json").message


def test_verify_says_how_many_rows_are_the_same_and_what_differs(copied, tmp_path):
    assert xmas(copied, "export", "shapes", KEY, "--to", tmp_path / "subset.json").code == 0
    manifest = tmp_path / "subset.manifest.json"
    stated = json.loads(manifest.read_text())
    one_other = {"rows": [*stated["rows"][:-1], 239], "sample_ids": [*stated["sample_ids"][:-1], "another"]}
    signals = {"upstream": stated["upstream"] | {"clusters": "0" * 64, "raw_dataset": "0" * 64}}
    numpy = {"library_versions": stated["library_versions"] | {"numpy": "1.26.4"}}
    made = "clusters, raw_dataset stored here have other content (another processor, library or setting made them)"
    numpy_here = f"numpy 1.26.4 there, {stated['library_versions']['numpy']} here"
    differently = "xmas: the selection comes out differently: 47 of 48 rows (97.9%) are the same; "
    copy, again = "copy the home that made the manifest to replay it", "export it again"
    for edit, message in (
        (one_other, f"{differently}the manifest was edited, or is of other source files: {again}"),
        (one_other | signals, f"{differently}{made}: {copy}, or {again}"),
        (one_other | numpy, f"{differently}{numpy_here}: install those to replay it, or {again}"),
        (one_other | signals | numpy, f"{differently}{made}; {numpy_here}: {copy}, or {again}"),
    ):
        manifest.write_text(json.dumps(stated | edit))
        assert xmas(copied, "verify", manifest).message == message


def test_the_same_rows_of_other_signals_or_libraries_are_verified_and_these_are_named(copied, tmp_path):
    assert xmas(copied, "export", "shapes", KEY, "--to", tmp_path / "subset.json").code == 0
    manifest = tmp_path / "subset.manifest.json"
    stated = json.loads(manifest.read_text())
    signals = {"upstream": stated["upstream"] | {"clusters": "0" * 64}}
    proxy = {"proxy_base": "0" * 64, "proxy_checkpoints": ["0" * 64]}  # of the machine where those signals were made
    numpy = {"library_versions": stated["library_versions"] | {"numpy": "1.26.4"}}
    exported = "verified: subset.json is as it was exported, and "
    same = f"{exported}48 of 240 rows of 'shapes' come out the same; not as in the manifest: "
    made = "clusters stored here have other content (another processor, library or setting made them)"
    numpy_here = f"numpy 1.26.4 there, {stated['library_versions']['numpy']} here"
    earlier = {"upstream": stated["upstream"] | {"attention_trajectories": "0" * 64}}  # read by xmas until it was not
    for edit, line in (
        (earlier, f"{same}attention_trajectories are not read here\n"),
        (signals | proxy, f"{same}{made}\n"),
        (numpy, f"{same}{numpy_here}\n"),
        (signals | proxy | numpy, f"{same}{made}; {numpy_here}\n"),
    ):
        manifest.write_text(json.dumps(stated | edit))
        said = xmas(copied, "verify", manifest)
        assert (said.code, said.out) == (0, line)


@pytest.mark.parametrize(
    "edit",
    [
        {"n_samples": 241},
        {"parameters": {"temperature": 2.0}},
        {"proxy_checkpoints": ["0" * 64]},
        {"proxy_base": "0" * 64},
        {"source_files": [{"name": "other.json", "sha256": "0" * 64}]},
        {"upstream": {"clusters": "0" * 64}},
        {"dataset_digest": "0" * 64},
        {"budget": "0.30"},
    ],
    ids=lambda edit: next(iter(edit)),
)
@pytest.mark.parametrize("other_signals", [False, True])
def test_a_field_that_a_person_changed_is_found(copied, tmp_path, edit, other_signals):
    """Other signals excuse another proxy, and nothing else."""
    assert xmas(copied, "export", "shapes", KEY, "--to", tmp_path / "subset.json").code == 0
    manifest = tmp_path / "subset.manifest.json"
    stated = json.loads(manifest.read_text())
    if other_signals:
        stated["upstream"]["clusters"] = "0" * 64
    manifest.write_text(json.dumps(stated | edit))
    excused = other_signals and edit.keys() <= {"proxy_checkpoints", "proxy_base"}
    assert xmas(copied, "verify", manifest).code == (0 if excused else 2)


@pytest.mark.timeout(600)
def test_a_manifest_of_other_signals_is_refused_with_their_names(built, tmp_path):
    """Clusters made again with another seed stand for those of another processor."""
    home = shutil.copytree(built, tmp_path / "home")
    assert xmas(home, "export", "shapes", KEY, "--to", tmp_path / "subset.json").code == 0
    registration = Registration.named(home, "shapes")
    registration.model_copy(update={"overrides": registration.overrides | {"clusters": {"n_clusters": 5}}}).save(home)
    assert xmas(home, "select", "shapes", "--method", "xmas", "--budget", "0.2").code == 0
    message = xmas(home, "verify", tmp_path / "subset.manifest.json").message
    assert re.search(r"comes out differently: \d+ of 48 rows \(\d+\.\d%\) are the same; clusters stored here", message)


def test_verify_replays_the_manifests_parameters_whatever_the_settings_say_now(copied, tmp_path):
    assert xmas(copied, "export", "shapes", KEY, "--to", tmp_path / "subset.json").code == 0
    registration = Registration.named(copied, "shapes")
    today = {"methods": {"parameters": {"xmas": {"variant": "reference"}}}}
    registration.model_copy(update={"overrides": registration.overrides | today}).save(copied)
    try:
        now = make_subset(Home.open(copied), "shapes", SelectionKey.parse(KEY))
        said = xmas(copied, "verify", tmp_path / "subset.manifest.json")
    finally:
        registration.save(copied)
    assert now.manifest.parameters == {"variant": "reference"}
    assert (said.code, said.out) == (
        0,
        "verified: subset.json is as it was exported, and 48 of 240 rows of 'shapes' come out the same\n",
    )
