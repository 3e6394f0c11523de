"""The deployment's files: bound to this machine, pinned, without a secret, and of commands that exist."""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml

from xmas_assets_tests.deploy.compose import COMPOSE, FOLDER, OURS, SERVICES, VARIABLE, environment_variables

ROOT = FOLDER.parent
COMMANDS = {
    f"{name} {kind}": words
    for name, service in OURS.items()
    for kind, words in (
        ("starts", service["command"]),
        ("is checked", service.get("healthcheck", {}).get("test", [])[1:]),
    )
    if words
}
ONE_SHOT = {"bucket"}


def compose_program() -> list[str] | None:
    """Compose's own program, with which a file can be read without a container engine."""
    for words in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(words[0]) and subprocess.run([*words, "version"], capture_output=True).returncode == 0:
            return words
    return None


def test_composes_own_parser_takes_the_file():
    program = compose_program()
    if program is None:
        pytest.skip("neither 'docker compose' nor 'docker-compose' is on this machine")
    secrets = dict.fromkeys(environment_variables(), "secret")
    command = [*program, "--file", str(FOLDER / "compose.yaml"), "config"]
    said = subprocess.run(command, env=os.environ | secrets, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert yaml.safe_load(said.stdout)["services"].keys() == SERVICES.keys()
    without = subprocess.run(command, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True)
    assert without.returncode != 0 and "set it in deploy/.env" in without.stderr


def test_there_are_all_the_services_of_a_deployment():
    assert SERVICES.keys() == {"postgres", "objects", "bucket", "mlflow", "worker", "daemon", "webserver"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_checked_and_reached_from_this_machine_alone(name):
    service = SERVICES[name]
    assert re.fullmatch(r"[\w./-]+:[\w.-]*\d[\w.-]*", service["image"])
    assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))
    assert ("healthcheck" in service) != (name in ONE_SHOT)
    assert "privileged" not in service and "network_mode" not in service
    for other, how in service.get("depends_on", {}).items():
        is_one_shot = other in ONE_SHOT
        assert how == {"condition": "service_completed_successfully" if is_one_shot else "service_healthy"}


def test_secrets_come_from_a_file_that_git_ignores_and_the_example_names_each_without_a_value():
    example = dict(line.split("=", 1) for line in (FOLDER / ".env.example").read_text().splitlines() if line[0] != "#")
    assert example == dict.fromkeys(environment_variables(), "")
    assert "deploy/.env" in (ROOT / ".gitignore").read_text().splitlines()
    secret = re.compile("PASSWORD|TOKEN|SECRET")
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert not secret.search(name) or VARIABLE.fullmatch(value), name
        assert not VARIABLE.search(json.dumps(service.get("command", ""))), "a command line can be seen by others"


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_a_command_exists_with_its_options(words):
    program, *rest = words
    options = {word.partition("=")[0] for word in rest if word.startswith("-") and word != "-m"}
    if program == "python" and rest[0].startswith("/deploy/"):
        assert (FOLDER / Path(rest[0]).name).is_file() and not options
        return
    if program == "python":
        assert rest[:2] == ["-m", "xmas_assets.web.dagster_server"]
        from xmas_assets.web.dagster_server import main

        said = help_of(lambda: main(["--help"]))
    else:
        entry, *_ = entry_points(group="console_scripts", name=program)  # two packages of MLflow's name the same
        said = help_of(entry.load(), program, *(word for word in rest if not word.startswith("-")))
    assert options - set(re.findall(r"--[\w-]+", said)) == set()


def help_of(main, *words: str) -> str:
    """What a program says of a command, in this process."""
    out, before = io.StringIO(), sys.argv
    sys.argv = [*words, "--help"]
    try:
        with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as end:
            main()
    finally:
        sys.argv = before
    assert not end.value.code
    return out.getvalue()


def test_the_image_is_made_of_files_that_exist_at_the_tested_versions():
    text = (FOLDER / "Dockerfile").read_text()
    copied = [words.split()[:-1] for words in re.findall(r"^COPY (.*)$", text, flags=re.MULTILINE)]
    assert [path for paths in copied for path in paths if not (ROOT / path).exists()] == []
    mounted = [Path(volume.split(":")[0]) for service in SERVICES.values() for volume in service.get("volumes", [])]
    assert [path for path in mounted if path.suffix and not (FOLDER / path).exists()] == []
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    assert set(re.findall(r"\w+==[\d.]+", text)) <= set(pins)
    assert SERVICES["worker"]["image"] == f"xmas-assets:{__import__('xmas_assets').__version__}"
    assert {each["build"]["dockerfile"] for each in OURS.values()} == {"deploy/Dockerfile"}
    assert COMPOSE["volumes"].keys() == {"home", "records", "objects"}


def test_the_settings_of_dagster_are_the_packages_and_a_database_without_a_password():
    ours = yaml.safe_load((FOLDER / "dagster.yaml").read_text())
    assert ours.pop("storage") == {"postgres": {"postgres_url": {"env": "XMAS_DAGSTER_DB"}}}
    assert ours == yaml.safe_load((ROOT / "xmas_assets" / "instance" / "dagster.yaml").read_text())


def test_the_start_puts_settings_into_an_empty_home_and_keeps_edited_ones(tmp_path):
    home = tmp_path / "home"
    command = [FOLDER / "start.sh", "sh", "-c", "echo started"]
    for _ in range(2):
        done = subprocess.run(command, env=os.environ | {"XMAS_HOME": str(home)}, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "started\n"), done.stderr
        (home / "mlflow" / "tracking.yaml").write_text("uri: http://elsewhere:5000\n")
    assert (home / "mlflow" / "tracking.yaml").read_text() == "uri: http://elsewhere:5000\n"
    assert (home / "dagster" / "dagster.yaml").read_bytes() == (FOLDER / "dagster.yaml").read_bytes()
    assert sorted(path.name for path in home.rglob("*") if path.is_file()) == [
        "dagster.yaml",
        "tracking.yaml",
        "ui.json",
    ]
