"""What the documents say is so: their commands run, their tables are current, their tests exist."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from xmas_assets.cli.app import app
from xmas_assets.selection.registry import method_table
from xmas_assets.toy.dataset import SyntheticSettings, generate

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def console_commands(text: str) -> list[list[str]]:
    blocks = re.findall(r"^```console\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [shlex.split(line[2:]) for block in blocks for line in block.splitlines() if line.startswith("$ ")]


@pytest.mark.timeout(600)
def test_the_readmes_commands_run(tmp_path):
    generate(SyntheticSettings(n_train=160, n_test=40), tmp_path / "mine")
    environment = {name: value for name, value in os.environ.items() if name != "XMAS_HOME"}
    commands = console_commands(README)
    assert len(commands) >= 10
    for command in commands:
        assert command[0] == "xmas"
        done = subprocess.run(
            [sys.executable, "-m", "xmas_assets", *command[1:]],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
    assert len(re.findall(r'"id"', (tmp_path / "subset.json").read_text())) == 32


def test_every_command_is_in_the_readme():
    group = get_command(app)
    named = {name for name in group.commands if name not in {"demo", "ui", "select"}}  # pyright: ignore
    missing = {name for name in named if f"xmas {name}" not in README}
    assert missing == set()


def test_the_method_table_is_current():
    table = README.split("<!-- methods: xmas methods --markdown -->")[1].split("<!-- /methods -->")[0]
    assert table.strip() == method_table().strip()


def test_every_test_named_in_the_reliability_document_exists():
    named, path = [], ""
    for match in re.finditer(
        r"`((?:xmas_assets_tests/[\w/]+\.py)?)::(\w+)", (ROOT / "docs" / "reliability.md").read_text()
    ):
        path = match[1] or path  # a test named without its file stands in the file named before
        named.append((path, match[2]))
    assert len(named) > 50
    missing = [f"{path}::{name}" for path, name in named if f"def {name}(" not in (ROOT / path).read_text()]
    assert missing == []


def test_links_inside_the_documents_lead_somewhere():
    for document in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            if not target.startswith(("http://", "https://")):
                assert (document.parent / target).exists(), f"{document.name} links to {target}"
