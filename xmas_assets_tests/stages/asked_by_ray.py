"""FOLDER: a target asked on Ray, in a network namespace of its own; run by ``unshare --net``."""

import sys
from pathlib import Path

from xmas_assets.scale.ray_engine import RayEngine
from xmas_assets_tests.scale.ray_scenarios import prepare_ray
from xmas_assets_tests.stages.asked import ask

if __name__ == "__main__":
    prepare_ray()
    folder = Path(sys.argv[1])
    ask(folder / "ray", folder / "target", RayEngine(2, 240.0, 2, None, cpus_per_worker=1, gpus_per_worker=0))
