"""``xmas model`` as a person types it."""

from xmas_assets_tests.e2e.platforms import xmas
from xmas_assets_tests.families import FAMILIES
from xmas_assets_tests.families.test_model_check import STEPS


def test_model_check_prints_each_step_and_ends_with_the_one_that_failed(tmp_path):
    model = FAMILIES["qwen2_vl"](tmp_path / "qwen")
    done = xmas(tmp_path / "home", "model", "check", model)
    assert done.code == 0
    lines = [line.split("\t") for line in done.out.splitlines()]
    assert [line[:2] for line in lines] == [["step", "outcome"], *([name, "passed"] for name in STEPS)]
    (model / "model.safetensors").unlink()
    failed = xmas(tmp_path / "home", "model", "check", model)
    assert failed.code == 2
    assert "files\tfailed" in failed.out
    assert failed.err.splitlines()[-1].startswith(f"xmas: {model} cannot be used: files failed: ")


def test_a_model_that_is_no_directory_and_has_no_commit_is_refused_when_a_dataset_is_added(tmp_path):
    done = xmas(tmp_path / "home", "dataset", "add", "mine", "--toy", "--model", "models/typo")
    assert done.code == 2
    assert "is neither a directory nor owner/name@COMMIT" in done.err
