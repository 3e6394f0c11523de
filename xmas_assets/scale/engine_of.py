"""The engine that a dataset's settings ask for."""

from xmas_assets.contracts.workers import WorkersSettings
from xmas_assets.scale.engines import SERIAL, Engine


def engine_of(settings: WorkersSettings) -> Engine:
    """Make it; nothing is started before there is a shard to make."""
    bounds = (settings.n_workers, settings.deadline_seconds, settings.max_deaths)
    if settings.engine == "processes":
        from xmas_assets.scale.processes import ProcessEngine

        return ProcessEngine(*bounds)
    if settings.engine == "ray":
        from xmas_assets.scale.ray_engine import RayEngine

        return RayEngine(*bounds, settings.address, settings.cpus_per_worker, settings.gpus_per_worker)
    return SERIAL
