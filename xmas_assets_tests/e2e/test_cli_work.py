"""``xmas work``, and the setting of who makes shards: other processes, the same bytes, nothing stale."""

import shutil
from pathlib import Path

import pytest

from xmas_assets_tests.e2e.platforms import KEY, asset_counts, open_platform, table_bytes, xmas

ASKED, SIGNAL = "benchmark_scores", "attention_trajectories"


def forget_signal(home: Path) -> None:
    """Remove what was made of the signal, tables and shards."""
    shutil.rmtree(home / "tables" / SIGNAL)
    shutil.rmtree(home / "work" / SIGNAL)


def shards(home: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (home / "work" / SIGNAL).rglob("shard-????????")}


def test_a_run_takes_the_shards_that_parts_made_and_ends_with_the_bytes_of_one_process(copied: Path):
    before = table_bytes(copied)
    forget_signal(copied)
    first = xmas(copied, "work", "shapes", SIGNAL, "--part", "0/2")
    assert first.code == 0, first.err
    assert f"{SIGNAL} of shapes: part 0/2 is done: 3 shards made now, 3 of other parts" in first.err
    second = xmas(copied, "work", "shapes", SIGNAL, "--part", "1/2")
    assert f"{SIGNAL} of shapes: all shards are there" in second.err
    made = shards(copied)
    assert len(made) == 6
    assert xmas(copied, "select", "shapes", "--method", "xmas", "--budget", "0.2").code == 0
    assert shards(copied) == made
    assert table_bytes(copied) == before


@pytest.mark.slow
def test_processes_make_the_same_tables_and_the_setting_makes_nothing_stale(copied: Path):
    before = table_bytes(copied)
    counts = asset_counts(open_platform(copied), "shapes")
    done = xmas(copied, "select", "shapes", "--method", "xmas", "--budget", "0.2", "--set", "workers.engine=processes")
    assert done.code == 0, done.err
    assert asset_counts(open_platform(copied), "shapes") == counts
    forget_signal(copied)
    assert xmas(copied, "select", "shapes", "--method", "xmas", "--budget", "0.2").code == 0
    assert table_bytes(copied) == before


def test_a_run_takes_the_answers_that_parts_made_and_ends_with_the_bytes_of_one_process(copied: Path):
    before = table_bytes(copied)
    shutil.rmtree(copied / "tables" / ASKED / "dataset=shapes" / f"selection={KEY}")
    shutil.rmtree(copied / "work" / ASKED)
    shutil.rmtree(copied / "work" / "answers")
    first = xmas(copied, "work", "shapes", ASKED, "--selection", KEY, "--part", "1/2")
    assert f"{KEY} of shapes, questions of shapes: part 1/2 is done: 0 shards made now, 1 of other parts" in first.err
    second = xmas(copied, "work", "shapes", ASKED, "--selection", KEY, "--part", "0/2")
    assert f"{KEY} of shapes, questions of shapes: all answers are there" in second.err
    (made,) = (copied / "work" / "answers").rglob("shard-????????")
    stamp = made.stat().st_mtime_ns
    assert xmas(copied, "run", "shapes", "--method", "xmas", "--budget", "0.2").code == 0
    assert made.stat().st_mtime_ns == stamp
    assert table_bytes(copied) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("work", "shapes", SIGNAL, "--part", "2/2"), "part '2/2' is none; write its number, from 0, and how many"),
        (("work", "shapes", SIGNAL, "--part", "1"), "part '1' is none; write its number"),
        (("work", "shapes", "attention_trajectorys", "--part", "0/2"), "did you mean 'attention_trajectories'?"),
        (("work", "shapes", "gradients", "--part", "0/2"), "warmup_checkpoints"),
        (("work", "shapes", SIGNAL), "give --part, such as --part 0/4, or --inputs"),
        (("work", "shapes", SIGNAL, "--part", "0/2", "--inputs"), "give --part, such as --part 0/4, or --inputs"),
        (("work", "shapes", "validation_samples", "--part", "0/2"), "has no validation records"),
        (("work", "nothing", SIGNAL, "--part", "0/2"), "dataset 'nothing'"),
        (("work", "shapes", SIGNAL, "--part", "0/2", "--selection", KEY), "--selection is for benchmark_scores alone"),
        (("work", "shapes", ASKED, "--part", "0/2", "--selection", "random_b0.70_s0"), "target_model"),
    ],
)
def test_parts_that_cannot_be_made_are_refused_in_one_line(copied: Path, words: tuple[str, ...], message: str):
    assert message in xmas(copied, *words).message


def test_inputs_of_answers_are_trained_targets_and_none_is_asked(copied: Path):
    key = "random_b0.05_s0"
    done = xmas(copied, "work", "shapes", ASKED, "--inputs", "--selection", key)
    assert done.code == 0, done.err
    assert (copied / "tables" / "target_model" / "dataset=shapes" / f"selection={key}").exists()
    assert not (copied / "tables" / ASKED / "dataset=shapes" / f"selection={key}").exists()


def test_a_batch_that_cannot_be_divided_is_refused_before_a_run_and_by_a_plan_where_something_is_to_be_trained(copied):
    registration = copied / "datasets" / "shapes.yaml"
    before = registration.read_text()
    words = ("shapes", "--method", "random", "--budget", "0.3")
    message = (
        "target.batch_size 16 cannot be divided among 3 processes (workers.training_ranks); make it a multiple of 3"
    )
    try:
        refused = xmas(copied, "run", *words, "--set", "workers.training_ranks=3")
        assert (refused.code, refused.err.splitlines()[-1]) == (2, f"xmas: {message}")
        assert message in xmas(copied, "plan", *words).message
        assert not (copied / "tables" / "selected_subset" / "dataset=shapes" / "selection=random_b0.30_s0").exists()
        assert xmas(copied, "run", "shapes", "--method", "random", "--budget", "0.2").code == 0  # trained before
        refused = xmas(copied, "work", "shapes", "adam_gradients", "--inputs")
        assert (refused.code, "warmup.batch_size 8 cannot be divided among 3" in refused.message) == (2, True)
    finally:
        registration.write_text(before)


def test_a_run_takes_what_parts_found_of_the_images_and_the_tables_stay(copied: Path):
    before = table_bytes(copied)
    shutil.rmtree(copied / "tables" / "raw_dataset")
    listed = xmas(copied, "work", "shapes", "raw_dataset", "--inputs")
    assert (listed.code, listed.err.splitlines()[-1]) == (
        0,
        "images of shapes are listed for the parts of raw_dataset, in shards: 1",
    )
    part = xmas(copied, "work", "shapes", "raw_dataset", "--part", "0/2")
    assert "raw_dataset of shapes: all shards are there" in part.err
    assert list((copied / "work" / "raw_dataset").rglob("shard-00000000"))
    assert xmas(copied, "select", "shapes", "--method", "xmas", "--budget", "0.2").code == 0
    assert not list((copied / "work" / "raw_dataset").rglob("shard-*"))
    assert table_bytes(copied) == before


def test_inputs_are_made_without_any_shard(copied: Path):
    done = xmas(copied, "work", "shapes", "gradients", "--inputs")
    assert done.code == 0, done.err
    assert (copied / "tables" / "warmup_checkpoints").exists()
    assert not (copied / "work" / "gradients").exists()
    part = xmas(copied, "work", "shapes", "gradients", "--part", "0/1")
    assert "gradients of shapes: all shards are there" in part.err
