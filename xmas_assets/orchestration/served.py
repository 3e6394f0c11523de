"""The definitions as ``xmas ui`` serves them: a selection makes what its method needs by itself."""

from xmas_assets.definitions import build_defs
from xmas_assets.orchestration.preparing import SelfPreparation
from xmas_assets.resources.dagster_home import home_resource

defs = build_defs({"preparation": SelfPreparation(home=home_resource)})
