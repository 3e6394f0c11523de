"""The compose file of ``deploy/``, as the tests read it."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("xmas-assets:")}
VARIABLE = re.compile(r"\$\{(\w+):\?[^}]*\}")


def filled(value: Any, variables: dict[str, str]) -> Any:
    """A value of the file with its ``${NAME:?...}`` filled in, as compose does."""
    return json.loads(VARIABLE.sub(lambda match: variables[match[1]], json.dumps(value)))


def environment_variables() -> set[str]:
    """The variables that the file asks for."""
    return set(VARIABLE.findall(json.dumps(COMPOSE)))
