import json
import logging
import shutil
from pathlib import Path

import pytest

from xmas_assets.contracts.errors import ModelError
from xmas_assets.training.run_directory import Cost, RunDirectory, milestones, read_record


def save(directory: Path) -> None:
    (directory / "config.json").write_text("{}")


def finish(run: RunDirectory) -> None:
    run.finish(Cost(1.5, [2.0, 1.0, 1.5, 1.5], 8), n_steps=4, n_samples=8, n_cut=0, left_out={}, micro_batch_size=2)


def test_checkpoints_are_ordered_by_number(tmp_path):
    run = RunDirectory(tmp_path, run="a")
    for step in (10, 9, 100):
        run.commit(step, save)
    assert [checkpoint.step for checkpoint in run.checkpoints()] == [9, 10, 100]


def test_a_checkpoint_appears_only_when_it_is_whole(tmp_path):
    run = RunDirectory(tmp_path, run="a")

    def fail(directory: Path) -> None:
        save(directory)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run.commit(3, fail)
    assert run.checkpoints() == []
    assert RunDirectory(tmp_path, run="a").checkpoints() == []
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_checkpoint_that_is_there_is_not_written_again(tmp_path):
    run = RunDirectory(tmp_path, run="a")
    run.commit(3, save)
    run.commit(3, lambda _: pytest.fail("it was written again"))


def test_the_newest_complete_state_is_the_one_to_resume(tmp_path, caplog):
    run = RunDirectory(tmp_path, run="a")
    for step in (9, 10, 11):
        (run.state / f"checkpoint-{step}").mkdir(parents=True)
    run.commit_state(9, Cost(1.0, [2.0], 3))
    run.commit_state(10, Cost(4.0, [2.0, 3.5], 6))
    with caplog.at_level(logging.WARNING):
        assert run.last_state() == (run.state / "checkpoint-10", Cost(4.0, [2.0, 3.5], 6))
    assert not (run.state / "checkpoint-11").exists()
    assert "checkpoint-11" in caplog.text


def test_a_run_without_states_begins_at_no_cost(tmp_path):
    assert RunDirectory(tmp_path, run="a").last_state() == (None, Cost(0.0, [], 0))


def test_a_finished_run_is_known_by_its_record(tmp_path):
    run = RunDirectory(tmp_path, run="a")
    run.commit(4, save)
    assert run.finished() is None
    finish(run)
    assert run.finished() == run.checkpoints()
    record = read_record(tmp_path)
    assert (record.mean_loss, record.cpu_seconds, record.run) == (1.5, 1.5, "a")


def test_a_record_of_before_time_and_memory_were_kept_is_read(tmp_path):
    run = RunDirectory(tmp_path, run="a")
    run.commit(4, save)
    finish(run)
    values = json.loads((tmp_path / "done.json").read_text())
    del values["wall_seconds"], values["peak_memory_bytes"]
    (tmp_path / "done.json").write_text(json.dumps(values))
    record = read_record(tmp_path)
    assert (record.wall_seconds, record.peak_memory_bytes) == (None, None)


def test_time_and_memory_go_on_from_the_last_state(tmp_path):
    run = RunDirectory(tmp_path, run="a")
    (tmp_path / "state" / "checkpoint-2").mkdir(parents=True)
    run.commit_state(2, Cost(1.0, [0.5], 4, wall_seconds=2.0, peak_memory_bytes=8))
    _, cost = run.last_state()
    assert cost == Cost(1.0, [0.5], 4, wall_seconds=2.0, peak_memory_bytes=8)


@pytest.mark.parametrize(
    "damage",
    [
        lambda run: (run / "checkpoint-4" / "config.json").write_text('{"changed": 1}'),
        lambda run: (run / "checkpoint-4" / "config.json").write_text(""),
        lambda run: (run / "checkpoint-4" / "config.json").unlink(),
        lambda run: shutil.rmtree(run / "checkpoint-4"),
        lambda run: (run / "done.json").write_text('{"run": "a", "check'),
        lambda run: (run / "done.json").write_text("[]"),
    ],
)
def test_a_finished_run_that_is_damaged_is_named_and_made_again_and_sound_checkpoints_stay(tmp_path, caplog, damage):
    run = RunDirectory(tmp_path, run="a")
    run.commit(2, save)
    run.commit(4, save)
    finish(run)
    damage(tmp_path)
    before = (tmp_path / "checkpoint-2" / "config.json").stat().st_ino
    assert run.finished() is None
    assert str(tmp_path) in caplog.text
    if "done.json" not in caplog.text:
        assert caplog.text.rstrip().endswith("made again: [4]")
        assert (tmp_path / "checkpoint-2" / "config.json").stat().st_ino == before
    for step in (2, 4):
        run.commit(step, save)
    finish(run)
    assert [checkpoint.step for checkpoint in run.finished() or ()] == [2, 4]


@pytest.mark.parametrize(
    ("name", "content"), [("weights", "w"), ("weights", ""), ("weights", None), ("committed.json", '{"cpu_s')]
)
def test_a_training_state_that_is_damaged_is_removed_with_a_notice_and_the_one_before_it_counts(
    tmp_path, caplog, name, content
):
    run = RunDirectory(tmp_path, run="a")
    for step in (2, 4):
        (tmp_path / "state" / f"checkpoint-{step}").mkdir(parents=True)
        (tmp_path / "state" / f"checkpoint-{step}" / "weights").write_text("weights")
        run.commit_state(step, Cost(float(step), [0.5], 4))
    file = tmp_path / "state" / "checkpoint-4" / name
    file.unlink() if content is None else file.write_text(content)
    state, cost = run.last_state()
    assert (state, cost.cpu_seconds) == (tmp_path / "state" / "checkpoint-2", 2.0)
    assert "checkpoint-4 is not finished, or not as it was saved" in caplog.text


def test_a_training_state_of_before_contents_were_noted_is_used(tmp_path):
    run = RunDirectory(tmp_path, run="a")
    (tmp_path / "state" / "checkpoint-2").mkdir(parents=True)
    (tmp_path / "state" / "checkpoint-2" / "committed.json").write_text('{"cpu_seconds": 1.0}')
    assert run.last_state()[1] == Cost(1.0)


def test_a_run_whose_note_is_damaged_is_refused_in_one_line(tmp_path):
    (tmp_path / "run.json").write_text('{"ru')
    with pytest.raises(ModelError, match=r"run\.json is damaged; remove .*, then run again"):
        RunDirectory(tmp_path, run="a")


def test_another_runs_directory_is_refused(tmp_path):
    RunDirectory(tmp_path, run="a")
    with pytest.raises(ModelError, match="holds a run on other rows, base or settings"):
        RunDirectory(tmp_path, run="b")


def test_a_record_of_nothing_is_refused(tmp_path):
    with pytest.raises(ModelError, match="holds no finished training run"):
        read_record(tmp_path)


@pytest.mark.parametrize(
    ("n_steps", "n_checkpoints", "expected"),
    [(10, 1, [10]), (12, 3, [4, 8, 12]), (10, 4, [3, 5, 8, 10]), (7, 7, [1, 2, 3, 4, 5, 6, 7])],
)
def test_milestones_are_even_and_end_at_the_end(n_steps, n_checkpoints, expected):
    assert milestones(n_steps, n_checkpoints) == expected


def test_the_loss_of_a_step_is_the_sum_of_its_micro_batches():
    cost = Cost()
    for step, loss in ((0, 1.5), (0, 0.5), (1, 1.0)):
        cost.count(step, loss, 4)
    assert (cost.losses, cost.n_samples_seen) == ([2.0, 1.0], 12)
