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


def test_model_memory_prints_the_parts_of_each_training_in_gib(tmp_path):
    model = FAMILIES["qwen2_vl"](tmp_path / "qwen")
    done = xmas(tmp_path / "home", "model", "memory", model, "--profile", "qwen25vl_7b")
    assert done.code == 0
    header, *rows = [line.split("\t") for line in done.out.splitlines()]
    assert header == ["training", "weights", "gradients", "optimizer", "activations", "transient", "total"]
    assert [row[0] for row in rows] == ["proxy", "target"]
    for _, *parts, total in rows:
        assert abs(sum(map(float, parts)) - float(total)) < 0.03
    refused = xmas(tmp_path / "home", "model", "memory", tmp_path)
    assert (refused.code, refused.err) == (
        2,
        f"xmas: {tmp_path} holds no config.json; give the directory of a whole model\n",
    )


def test_profiles_lists_every_packaged_profile_with_its_models(tmp_path):
    done = xmas(tmp_path / "home", "profiles")
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in done.out.splitlines()}
    assert rows["profile"] == ["models", "card", "memory", "source"]
    assert rows["paper_xmas"][0] == "bczhou/tiny-llava-v1-hf, llava-hf/llava-1.5-7b-hf"
    assert rows["toy"][0] == "toy:tiny"
