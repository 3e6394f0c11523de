import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from xmas_assets.contracts.errors import StoreError
from xmas_assets.home.home import Home

HOLDS = """
import sys, time
from xmas_assets.home.home import Home
home = Home.open(sys.argv[1])
with home.locks.using("tiny"):
    print("held", flush=True)
    time.sleep(600)
"""


def register(home: Home, name: str) -> None:
    home.path("datasets").joinpath(f"{name}.yaml").write_text(f"name: {name}\nannotations: [/data/a.json]\n")


@pytest.fixture
def home(tmp_path) -> Home:
    home = Home.open(tmp_path / "home")
    register(home, "tiny")
    return home


def test_a_dataset_is_not_removed_while_a_run_is_at_work_on_it_also_between_two_stages(home):
    with home.locks.using("tiny"), home.locks.using("tiny"):
        with pytest.raises(StoreError, match="a run is at work on dataset 'tiny'; wait .* xmas dataset remove tiny$"):
            home.forget("tiny")
        register(home, "tin")
        home.forget("tin")
    home.forget("tiny")
    assert home.datasets() == [] and list(home.path("locks").glob("using*")) == []


@pytest.mark.parametrize("partition", ["tiny", "tiny|xmas_b0.20_s0"])
def test_a_stage_that_is_being_made_keeps_its_dataset(home, partition):
    home.locks.hold("clusters", partition)
    with pytest.raises(StoreError, match="a run is at work"):
        home.forget("tiny")
    home.locks.release("clusters", partition)
    home.forget("tiny")


def test_a_run_of_another_process_counts_until_it_is_killed(home):
    run = subprocess.Popen([sys.executable, "-c", HOLDS, str(home.root)], stdout=subprocess.PIPE, env=os.environ)
    assert run.stdout is not None and run.stdout.readline() == b"held\n"
    assert home.locks.is_in_use("tiny")
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    assert not home.locks.is_in_use("tiny")
    left = list(home.path("locks").glob("using*"))
    with home.locks.using("other"):
        assert len(left) == 1 and not left[0].exists()


@pytest.mark.parametrize("place", ["tables/raw_dataset/dataset=tiny", "work/clusters/tiny", "toy/tiny", "reports/tiny"])
def test_a_folder_that_was_moved_and_linked_back_is_forgotten_and_what_the_link_led_to_stays(home, tmp_path, place):
    elsewhere = tmp_path / "larger disk"
    elsewhere.mkdir()
    (elsewhere / "table.parquet").write_text("rows")
    link: Path = home.root / place
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    assert home.forget("tiny") == [elsewhere]
    assert not link.is_symlink() and (elsewhere / "table.parquet").read_text() == "rows"
    assert home.datasets() == []


def test_parts_of_a_stage_are_made_side_by_side_and_a_run_waits_for_all_of_them(home):
    held = threading.Event()

    def run() -> None:
        home.locks.hold("clusters", "tiny")
        held.set()
        home.locks.release("clusters", "tiny")

    waiting = threading.Thread(target=run)
    with home.locks.part("clusters", "tiny"):
        with home.locks.part("clusters", "tiny"):
            waiting.start()
            assert not held.wait(0.5)
            with pytest.raises(StoreError, match="a run is at work"):
                home.forget("tiny")
        assert not held.wait(0.5)
    waiting.join(30)
    assert held.is_set()
    assert list(home.path("locks").glob("part*")) == []


def test_a_part_that_was_killed_keeps_no_run_waiting(home):
    script = HOLDS.replace('using("tiny")', 'part("clusters", "tiny")')
    part = subprocess.Popen([sys.executable, "-c", script, str(home.root)], stdout=subprocess.PIPE, env=os.environ)
    assert part.stdout is not None and part.stdout.readline() == b"held\n"
    part.kill()
    part.wait()
    part.stdout.close()
    home.locks.hold("clusters", "tiny")
    home.locks.release("clusters", "tiny")
    assert list(home.path("locks").glob("part*")) == []
