"""What goes wrong around a run: other processes, full and read-only disks, changed inputs, hostile names."""

import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from xmas_assets.data.registration import load_registration
from xmas_assets.extraction import passes
from xmas_assets.home.home import Home
from xmas_assets.orchestration.platform import RunFailedError
from xmas_assets.orchestration.process_claims import PROCESS_TAG, end_killed_runs
from xmas_assets.orchestration.selection_runs import run_selections
from xmas_assets.store.database import connect, query
from xmas_assets_tests.e2e.platforms import QUICK, keys, open_platform, register, row, table_bytes, write_dataset, xmas

CAP_DAC_OVERRIDE, PR_CAPBSET_DROP = 1, 24
LOCK_DATABASES = """
import sqlite3, sys, time
connections = [sqlite3.connect(path, isolation_level=None) for path in sys.argv[1:]]
for connection in connections:
    connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(2)
"""
BAD_NAMES = ("x'; DROP TABLE--", "../x", "a" * 300, "CON", "con", "\N{GRINNING FACE}", '"a"."b"', "a|b", "", "/etc/x")


@pytest.fixture(scope="module")
def platform(copied):
    return open_platform(copied)


@pytest.fixture
def quick_profile(tmp_path):
    """The words that register a dataset with settings of seconds."""
    profile = tmp_path / "quick.yaml"
    profile.write_text(yaml.safe_dump(QUICK | {"proxy": QUICK["proxy"] | {"batch_size": 4, "micro_batch_size": 4}}))
    return ["--profile", str(profile)]


def wait_for(home: Path, pattern: str) -> Path:
    ends = time.monotonic() + 200
    while not (found := list(home.glob(pattern))):
        assert time.monotonic() < ends, f"{pattern} never came"
        time.sleep(0.001)
    return found[0]


# 87 two runs on one partition


def test_a_second_run_on_a_partition_is_refused_in_one_line_and_the_first_goes_on(tmp_path):
    register(tmp_path)
    command = [sys.executable, "-m", "xmas_assets", "select", "shapes", "--method", "random"]
    first = subprocess.Popen(command, env=os.environ | {"XMAS_HOME": str(tmp_path)}, stderr=subprocess.PIPE, text=True)
    wait_for(tmp_path, "work/raw_dataset/shapes/*")
    first.send_signal(signal.SIGSTOP)
    try:
        second = xmas(tmp_path, "select", "shapes", "--method", "random")
        assert second.code == 2
        assert second.err.splitlines()[-1] == (
            "xmas: raw_dataset of shapes: raw_dataset of shapes is being made by another run; wait for it to end, or "
            "cancel it in the UI"
        )
    finally:
        first.send_signal(signal.SIGCONT)
    errors = first.communicate(timeout=120)[1]
    assert first.returncode == 0, errors
    assert Home.open(tmp_path).stored("selected_subset", "shapes|random_b0.10_s0")["subset"].n_rows == 24


# 88 event log locked, 89 reading while a run writes, 99 a lock left behind


def test_an_event_log_locked_for_seconds_delays_a_run_and_no_more(platform, copied):
    databases = [str(path) for path in (copied / "dagster").rglob("*.db")]
    assert len(databases) >= 2
    locker = subprocess.Popen([sys.executable, "-c", LOCK_DATABASES, *databases], stdout=subprocess.PIPE, text=True)
    assert locker.stdout is not None and locker.stdout.readline() == "locked\n"
    started = time.monotonic()
    run_selections(platform, "shapes", keys("random_b0.15_s0"), stages=("selected_subset",), say=lambda line: None)
    assert time.monotonic() - started > 1
    assert locker.wait() == 0
    assert platform.home.stored("selected_subset", "shapes|random_b0.15_s0")["subset"].n_rows == 36


def test_sql_reads_whole_tables_while_a_run_replaces_them(platform, copied):
    seen, done = set(), threading.Event()

    def read() -> None:
        with connect(copied / "tables") as connection:
            while not done.is_set():
                sql = "SELECT count(*), count(DISTINCT sample_id) FROM raw_dataset.samples WHERE dataset = ?"
                seen.add(query(connection, sql, ["shapes"]).row(0))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(3):
        platform.materialize(["raw_dataset"], "shapes")
    done.set()
    reader.join()
    assert seen == {(240, 240)}


def test_a_lock_file_left_from_before_a_reboot_is_free(tmp_path):
    register(tmp_path)
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "raw_dataset__shapes.lock").write_text("4711")
    platform = open_platform(tmp_path)
    platform.observe("shapes")
    platform.materialize(["raw_dataset"], "shapes")
    assert platform.home.stored("raw_dataset", "shapes")["samples"].n_rows == 240


def test_the_run_of_a_process_that_is_gone_is_marked_as_failed_and_one_elsewhere_is_not(platform, copied):
    locks = copied / "locks"
    (locks / "process-gone.lock").touch()
    owners = {"gone": "process-gone.lock", "elsewhere": "process-on-another-machine.lock"}
    runs = {
        name: platform.instance.create_run_for_job(
            platform.defs.resolve_job_def("publish_leaderboard"),
            status=dg.DagsterRunStatus.STARTED,
            tags={PROCESS_TAG: o},
        )
        for name, o in owners.items()
    }
    end_killed_runs(platform.instance, locks)
    statuses = {name: platform.instance.get_run_by_id(run.run_id).status for name, run in runs.items()}
    assert statuses == {"gone": dg.DagsterRunStatus.FAILURE, "elsewhere": dg.DagsterRunStatus.STARTED}
    platform.instance.report_run_canceled(runs["elsewhere"])


# 90 disk full, 91 read-only home


@contextmanager
def files_no_larger_than(n_bytes: int):
    """What a full disk does to large files alone: the small ones of Dagster still fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_while_tables_are_written_leaves_the_old_tables_and_then_goes_on(tmp_path):
    home, noise = tmp_path / "home", np.random.default_rng(0).bytes(6_000_000).hex()
    words = write_dataset(tmp_path / "data", [row(0)])
    assert xmas(home, "dataset", "add", "ds", *words).code == 0
    assert xmas(home, "select", "ds", "--method", "random").code == 0
    before = table_bytes(home)
    larger = [row(number, image=False, question=noise[number * 3000 :][:3000]) for number in range(1, 4_000)]
    write_dataset(tmp_path / "data", [row(0), *larger])
    with files_no_larger_than(2_000_000):
        said = xmas(home, "select", "ds", "--method", "random")
    assert said.code == 2
    assert "earlier tables are intact: free some space" in said.err.splitlines()[-1]
    assert table_bytes(home) == before
    assert xmas(home, "select", "ds", "--method", "random").code == 0
    assert Home.open(home).stored("selected_subset", "ds|random_b0.10_s0")["subset"].n_rows == 400


def without_right_to_pass_permissions() -> None:
    """Root goes past permissions; a child started without this capability does not (for others it changes nothing)."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


@pytest.mark.parametrize("words", [("dataset", "list"), ("run", "shapes", "--method", "xmas"), ("doctor",)])
def test_a_read_only_home_is_refused_before_any_work(tmp_path, words):
    register(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    tmp_path.chmod(0o555)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "xmas_assets", *words],
            env=os.environ | {"XMAS_HOME": str(tmp_path)},
            preexec_fn=without_right_to_pass_permissions,
            capture_output=True,
            text=True,
        )
    finally:
        tmp_path.chmod(0o755)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"xmas: {tmp_path} is read-only; set XMAS_HOME to a folder you can write\n"
    assert sorted(tmp_path.rglob("*")) == before


def test_a_home_below_a_file_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    said = xmas(tmp_path / "file" / "home", "dataset", "list")
    assert said.code == 2
    assert (
        said.err
        == f"xmas: {tmp_path}/file/home cannot be made (Not a directory); set XMAS_HOME to a folder you can write\n"
    )


def test_a_stage_whose_tables_cannot_be_written_is_refused_before_its_work(tmp_path):
    home = Home.open(tmp_path)
    (home.tables() / "clusters").touch()
    with pytest.raises(Exception, match="cannot be made"), home.stage("clusters", "ds", key="k"):
        raise AssertionError("the work began")


# 95 a device that fails


def read_anew(platform, copied, *, n_values: int) -> None:
    """Read trajectories that were not read before."""
    trajectories = QUICK["trajectories"] | {"n_values": n_values}
    registration = load_registration(copied, "shapes")
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
    assert said.code == 2
    assert said.err.splitlines()[-1] == (
        "xmas: 1 of 2 selections failed; the first: proxy_checkpoints of texts: none of 20 rows has an image, so there "
        "is no attention to images to follow; use a method that needs no proxy, such as random"
    )
    assert list((tmp_path / "work" / "proxy_checkpoints").rglob("run")) == []
    assert Home.open(tmp_path).stored("selected_subset", "texts|random_b0.50_s0")["subset"].n_rows == 10


def test_prompts_that_are_too_long_are_counted_at_every_stage_and_stop_nothing(tmp_path, quick_profile):
    long = " ".join(["word"] * 3000)
    rows = [row(0, question=long), *(row(number) for number in range(1, 24))]
    asked = [row(100, question=long), row(101, question="what else is it")]
    xmas(tmp_path, "dataset", "add", "ds", *write_dataset(tmp_path / "data", rows, asked), *quick_profile)
    said = xmas(tmp_path, "run", "ds", "--method", "xmas", "--method", "full", "--budget", "0.5")
    assert said.code == 0, said.err
    home, platform = Home.open(tmp_path), open_platform(tmp_path)
    assert home.stored("clusters", "ds")["clusters"].column("label").tolist().index(-1) == 0
    (trained,) = platform.instance.fetch_materializations(dg.AssetKey("proxy_checkpoints"), limit=1).records
    told = trained.asset_materialization.metadata
    assert (told["rows trained on"].value, r"too\_long" in told["rows left out"].value) == (23, True)
    answers = home.stored("benchmark_scores", "ds|full_b1.00_s0")["answers"].frame(["question_id", "score"])
    assert [score is None for score in answers["score"]] == [True, False]


def test_an_image_replaced_since_the_dataset_was_read_is_noticed_at_training(tmp_path, quick_profile):
    rows = [row(number) for number in range(12)]
    xmas(tmp_path, "dataset", "add", "ds", *write_dataset(tmp_path / "data", rows), *quick_profile)
    assert xmas(tmp_path, "select", "ds", "--method", "random").code == 0
    Image.new("RGB", (32, 32), "red").save(tmp_path / "data" / "7.png")
    said = xmas(tmp_path, "select", "ds", "--method", "xmas")
    assert said.err.splitlines()[-1] == (
        "xmas: 1 of 1 selections failed; the first: proxy_checkpoints of ds: image_changed: '7.png' changed since the "
        "dataset was read; read it again"
    )


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


# 98 settings that changed between two attempts


def test_settings_changed_between_an_interrupted_run_and_the_next_leave_nothing_of_the_old_behind(tmp_path):
    changed = QUICK | {"proxy": QUICK["proxy"] | {"learning_rate": 0.0005}}
    stopped, straight = tmp_path / "stopped", tmp_path / "straight"
    register(stopped)
    register(straight, overrides=changed)
    command = [sys.executable, "-m", "xmas_assets", "select", "shapes", "--method", "xmas"]
    environment = os.environ | {"XMAS_HOME": str(stopped)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    wait_for(stopped, "work/proxy_checkpoints/shapes/*/run/state/checkpoint-*/committed.json")
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=100)[1]
    assert (process.returncode, "attention_trajectories" in errors) == (130, False)
    load_registration(stopped, "shapes").model_copy(update={"overrides": changed}).save(stopped)
    for home in (stopped, straight):
        run_selections(open_platform(home), "shapes", keys("xmas_b0.20_s0"), stages=("selected_subset",))
    assert table_bytes(stopped) == table_bytes(straight)


# 105 names, 107 YAML, 108 paths


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_hostile_dataset_name_is_refused_by_every_command_and_makes_nothing(tmp_path, name):
    words = write_dataset(tmp_path / "data", [row(0)])
    commands = [
        ("dataset", "add", *words, "--", name),
        ("dataset", "show", "--", name),
        ("dataset", "remove", "--yes", "--", name),
        ("run", "--method", "random", "--", name),
        ("leaderboard", "--", name),
        ("export", "--to", str(tmp_path / "out.json"), "--", name, "random_b0.10_s0"),
        ("compare", "--", name, "xmas@0.2", "random@0.2"),
        ("status", "--", name),
    ]
    for command in commands:
        assert "is not allowed; use 1 to 64 of a-z" in xmas(tmp_path / "home", *command).message
    assert [path for path in (tmp_path / "home").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", ["x'; DROP TABLE--", "../x", "a" * 300, "\N{GRINNING FACE}"])
def test_a_hostile_name_typed_in_the_ui_ends_in_one_line_and_makes_nothing(platform, copied, name):
    before = table_bytes(copied)
    platform.instance.add_dynamic_partitions("dataset", [name])
    with pytest.raises(RunFailedError, match=r"^raw_dataset of .*is not allowed; use 1 to 64 of a-z.*$"):
        platform.materialize(["raw_dataset"], name)
    with pytest.raises(RunFailedError, match=r"^[^\n]*$"):
        platform.materialize(["selected_subset"], dg.MultiPartitionKey({"dataset": name, "selection": "full_b1.00_s0"}))
    assert table_bytes(copied) == before


def test_sql_that_is_more_than_one_select_is_refused_and_a_quoted_name_is_a_value(copied):
    before = table_bytes(copied)
    assert "only a single SELECT is allowed" in xmas(copied, "sql", "DROP TABLE raw_dataset.samples").message
    assert "only a single SELECT" in xmas(copied, "sql", "SELECT 1; DROP VIEW raw_dataset.samples").message
    said = xmas(copied, "sql", "SELECT count(*) AS n FROM raw_dataset.samples WHERE dataset = 'x''; DROP TABLE--'")
    assert (said.code, "0" in said.out) == (0, True)
    assert table_bytes(copied) == before


def test_a_registration_file_with_a_hostile_name_or_with_code_in_it_is_refused(tmp_path):
    folder = tmp_path / "home" / "datasets"
    folder.mkdir(parents=True)
    (folder / "con.yaml").write_text("name: con\nannotations: [/tmp/x.json]\n")
    (folder / "evil.yaml").write_text(f"name: !!python/object/apply:os.mkdir ['{tmp_path}/made']\n")
    assert "is not allowed" in xmas(tmp_path / "home", "dataset", "show", "con").message
    assert "not plain YAML" in xmas(tmp_path / "home", "dataset", "show", "evil").message
    assert "not plain YAML" in xmas(tmp_path / "home", "run", "evil", "--method", "random").message
    words = write_dataset(tmp_path / "data", [row(0)])
    profile = xmas(tmp_path / "home", "dataset", "add", "ds", *words, "--profile", folder / "evil.yaml")
    assert "not plain YAML" in profile.message
    assert not (tmp_path / "made").exists()


def test_shell_characters_in_every_path_reach_no_shell(tmp_path):
    odd = tmp_path / "a b;touch made;$(touch made)`touch made`'\"&|*[x]#\N{SNOWMAN}"
    words = write_dataset(odd / "data", [row(number) for number in range(4)])
    assert xmas(odd / "home", "dataset", "add", "ds", *words).code == 0
    assert xmas(odd / "home", "select", "ds", "--method", "random", "--budget", "0.5").code == 0
    assert xmas(odd / "home", "export", "ds", "random_b0.50_s0", "--to", odd / "out;x.json").code == 0
    assert xmas(odd / "home", "verify", odd / "out;x.manifest.json").code == 0
    assert xmas(odd / "home", "sql", "SELECT count(*) FROM raw_dataset.samples").code == 0
    assert list(tmp_path.rglob("made")) == []


@pytest.mark.parametrize("name", ["what?", "100%"])
def test_a_home_that_no_sqlite_address_can_name_is_refused_and_not_made(tmp_path, name):
    said = xmas(tmp_path / name, "dataset", "list")
    assert said.err == (
        f"xmas: {tmp_path}/{name} holds '?' or '%', which the addresses of SQLite files cannot; set another XMAS_HOME\n"
    )
    assert list(tmp_path.iterdir()) == []
