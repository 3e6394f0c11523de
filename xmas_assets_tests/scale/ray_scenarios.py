"""FOLDER MISHAP: numbers made on Ray in a network namespace of its own, as Ray listens on all addresses.

Mishaps: those of ``numbers``, ``plain``, ``driver`` (killed after three shards), ``raylet`` (a second one, with an
actor on it, is killed after three shards). Run by ``unshare --net``.
"""

import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

from xmas_assets.scale.engines import have_made
from xmas_assets.scale.ray_engine import RayEngine
from xmas_assets.scale.shards import ItemCounter
from xmas_assets_tests.scale.numbers import SHARDS, Numbers, events

_SET_FLAGS, _UP = 0x8914, 1


def bring_loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sh14x", b"lo", _UP))


def start_raylet(*options: str) -> "subprocess.Popen[bytes]":
    ray = Path(sys.executable).with_name("ray")
    common = ("--num-cpus=1", "--node-ip-address=127.0.0.1", "--object-store-memory=100000000", "--block")
    return subprocess.Popen([ray, "start", *options, *common], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def when_three_are_made(folder: Path, act) -> None:
    def watch() -> None:
        while len(list(folder.glob("shard-*"))) < 3:
            time.sleep(0.05)
        act()

    threading.Thread(target=watch, daemon=True).start()


def kill_all_below(pid: int) -> None:
    for process in [*psutil.Process(pid).children(recursive=True), psutil.Process(pid)]:
        process.kill()


def prepare_ray() -> None:
    """Make this process one that may start Ray."""
    bring_loopback_up()
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "120"}
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4}


def main(folder: Path, mishap: str) -> None:
    prepare_ray()
    raylets, address = [], None
    if mishap == "raylet":
        address = "127.0.0.1:6399"
        raylets = [start_raylet("--head", "--port=6399", "--include-dashboard=false")]
        time.sleep(8)
        raylets.append(start_raylet(f"--address={address}"))
        time.sleep(8)
        when_three_are_made(folder, lambda: kill_all_below(raylets[1].pid))
    if mishap == "driver":
        when_three_are_made(folder, lambda: os.kill(os.getpid(), signal.SIGKILL))
    deadline = 30.0 if mishap == "frozen" else 120.0
    engine = RayEngine(2, deadline, 4, address, cpus_per_worker=1, gpus_per_worker=0)
    work = Numbers(folder, "" if mishap in ("plain", "driver", "raylet") else mishap, seconds=0.5)
    lacking = [shard for shard in SHARDS if not (folder / shard.file_name).exists()]
    try:
        have_made(work, lacking, engine=engine, counter=ItemCounter(len(SHARDS)))
    finally:
        for raylet in raylets:
            if raylet.poll() is None:
                kill_all_below(raylet.pid)
    print("processes:", len({event[0] for event in events(folder) if event[1] == "ready"}))


if __name__ == "__main__":
    if shutil.which("unshare") is None:
        sys.exit("unshare is missing")
    main(Path(sys.argv[1]), sys.argv[2])
