"""What goes wrong in a run itself: devices, datasets that do not fit the method, checks that fail."""

import hashlib

import dagster as dg
import pytest
import torch
import yaml
from PIL import Image

from xmas_assets.data.registration import Registration
from xmas_assets.extraction import passes
from xmas_assets.home.home import Home
from xmas_assets.orchestration.platform import RunFailedError
from xmas_assets_tests.e2e.platforms import QUICK, open_platform, row, write_dataset, xmas


@pytest.fixture
def quick_profile(tmp_path):
    """The words that register a dataset with settings of seconds."""
    profile = tmp_path / "quick.yaml"
    profile.write_text(yaml.safe_dump(QUICK | {"proxy": QUICK["proxy"] | {"batch_size": 4, "micro_batch_size": 4}}))
    return ["--profile", str(profile)]


# 95 a device that fails


def read_anew(platform, copied, *, n_values: int) -> None:
    """Read trajectories that were not read before."""
    trajectories = QUICK["trajectories"] | {"n_values": n_values}
    registration = Registration.named(copied, "shapes")
    registration.model_copy(update={"overrides": QUICK | {"trajectories": trajectories}}).save(copied)
    platform.materialize(["attention_trajectories"], "shapes")


def break_device(monkeypatch, *, at: set[int]) -> list[int]:
    """Let the device fail in some of the forward passes, by their number; gives the list of all."""
    plain, passes_run = passes.capture, []

    def observe(*arguments, **options):
        passes_run.append(len(passes_run))
        if passes_run[-1] in at:
            raise torch.AcceleratorError("CUDA error: unspecified launch failure\nCompile with TORCH_USE_CUDA_DSA")
        return plain(*arguments, **options)

    monkeypatch.setattr(passes, "capture", observe)
    return passes_run


@pytest.mark.slow
def test_a_device_that_failed_is_tried_once_more_and_what_was_finished_is_not_read_again(platform, copied, monkeypatch):
    undisturbed = break_device(monkeypatch, at=set())
    read_anew(platform, copied, n_values=2)
    monkeypatch.undo()
    failing = break_device(monkeypatch, at={len(undisturbed) - 1})
    read_anew(platform, copied, n_values=3)
    assert len(undisturbed) < len(failing) < 1.5 * len(undisturbed)


def test_a_device_that_fails_again_is_said_in_one_line(platform, copied, monkeypatch):
    failing = break_device(monkeypatch, at={0, 1})
    with pytest.raises(RunFailedError) as caught:
        read_anew(platform, copied, n_values=4)
    assert str(caught.value) == (
        "attention_trajectories of shapes: the device failed (CUDA error: unspecified launch failure); run again: it "
        "goes on from the last finished shard or saved state; if it fails again, look at the device's own log"
    )
    assert len(failing) == 2


# 20 text-only datasets, 25 too long prompts, 47 changed images, 97 others finish


def test_a_dataset_without_images_is_refused_for_xmas_before_training_and_random_finishes(tmp_path, quick_profile):
    words = write_dataset(tmp_path / "data", [row(number, image=False) for number in range(20)])
    xmas(tmp_path, "dataset", "add", "texts", *words, *quick_profile)
    said = xmas(tmp_path, "select", "texts", "--method", "xmas", "--method", "random", "--budget", "0.5")
    assert said.code == 1
    assert said.err.splitlines()[-1] == (
        "xmas: 1 of 2 selections failed; the first: proxy_checkpoints of texts: none of 20 rows has an image, so there "
        "is no attention to images to follow; use a method that needs no proxy, such as random"
    )
    assert list((tmp_path / "work" / "proxy_checkpoints").rglob("run")) == []
    assert Home.open(tmp_path).stored("selected_subset", "texts|random_b0.50_s0")["subset"].n_rows == 10


@pytest.mark.slow
def test_prompts_that_are_too_long_are_told_before_training_counted_at_every_stage_and_stop_nothing(
    tmp_path, quick_profile
):
    long = " ".join(["word"] * 3000)
    rows = [row(0, question=long), *(row(number) for number in range(1, 24))]
    asked = [row(100, question=long), row(101, question="what else is it")]
    xmas(tmp_path, "dataset", "add", "ds", *write_dataset(tmp_path / "data", rows, asked), *quick_profile)
    assert "tokens" not in xmas(tmp_path, "select", "ds", "--method", "random").out  # no model reads a row for it
    said = xmas(tmp_path, "run", "ds", "--method", "xmas", "--method", "full", "--budget", "0.5")
    assert said.code == 0, said.err
    before, _, after = (said.out + said.err).partition("proxy_checkpoints ...")
    assert before.count("at least 1 of 24 rows have more than 2,048 tokens") == 2  # for the proxy, and for the targets
    assert "Token indices sequence length" not in after
    home, platform = Home.open(tmp_path), open_platform(tmp_path)
    assert home.stored("clusters", "ds")["clusters"].column("label").tolist().index(-1) == 0
    (trained,) = platform.instance.fetch_materializations(dg.AssetKey("proxy_checkpoints"), limit=1).records
    told = trained.asset_materialization.metadata
    assert (told["rows trained on"].value, r"too\_long" in told["rows left out"].value) == (23, True)
    answers = home.stored("benchmark_scores", "ds|full_b1.00_s0")["answers"].frame(["question_id", "score"])
    assert [score is None for score in answers["score"]] == [True, False]


@pytest.mark.slow
def test_an_image_replaced_since_the_dataset_was_read_is_said_and_read_again_before_training(tmp_path, quick_profile):
    rows = [row(number) for number in range(12)]
    xmas(tmp_path, "dataset", "add", "ds", *write_dataset(tmp_path / "data", rows), *quick_profile)
    assert xmas(tmp_path, "select", "ds", "--method", "random").code == 0
    Image.new("RGB", (32, 32), "red").save(tmp_path / "data" / "7.png")
    said = xmas(tmp_path, "select", "ds", "--method", "xmas")
    assert said.code == 0, said.err
    before, _, _ = said.err.partition("proxy_checkpoints ...")
    assert "source images that changed since ds was read: 1; first 7.png" in before
    hashes = Home.open(tmp_path).stored("raw_dataset", "ds")["samples"].column("image_hashes")
    assert hashes[7][0] == hashlib.sha256((tmp_path / "data" / "7.png").read_bytes()).hexdigest()


# 71 values that are not finite, and checks that failed


def test_a_check_that_failed_stops_every_later_run_too_until_its_cause_is_gone(tmp_path):
    rows = [row(number) for number in range(8)]
    words = write_dataset(tmp_path / "data", rows, [row(3), row(100)])
    xmas(tmp_path, "dataset", "add", "ds", *words)
    for _ in range(2):
        said = xmas(tmp_path, "select", "ds", "--method", "random")
        assert said.err.splitlines()[-1] == (
            "xmas: raw_dataset of ds failed its check no_train_test_overlap: 1 test records have the pictures and "
            "question of a training record (first: r003); remove them from one of the two files"
        )
    write_dataset(tmp_path / "data", rows, [row(100)])
    assert xmas(tmp_path, "select", "ds", "--method", "random").code == 0


@pytest.mark.parametrize("budget", ["0", "-0.1", "1.01", "nan", "inf", "some"])
def test_an_impossible_budget_is_refused_before_any_work(tmp_path, budget):
    xmas(tmp_path, "dataset", "add", "ds", *write_dataset(tmp_path / "data", [row(0)]))
    assert xmas(tmp_path, "run", "ds", "--method", "random", "--budget", budget).message.startswith("xmas: budget ")
    assert not (tmp_path / "dagster").exists()
