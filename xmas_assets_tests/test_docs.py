"""What the documents say is so: their commands run, their tables are current, their tests exist."""

import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.main import get_command

from xmas_assets.cli.app import app
from xmas_assets.contracts.errors import ImageError
from xmas_assets.data.decoding import image_format
from xmas_assets.selection.registry import BUILT_IN, method_table
from xmas_assets.toy.dataset import SyntheticSettings, generate

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def console_commands(text: str) -> list[list[str]]:
    blocks = re.findall(r"^```console\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [shlex.split(line[2:]) for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def pages_with_commands() -> list[Any]:
    """Each page that has any; those whose commands take minutes are not for every run of the suite."""
    slow = dict.fromkeys(("getting_started.md", "scaling.md", "exporting.md"), pytest.mark.slow)
    pages = [page for page in PAGES if console_commands(page.read_text())]
    return [pytest.param(page, marks=slow.get(page.name, ()), id=page.name) for page in pages]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", pages_with_commands())
def test_the_commands_of_a_page_run_in_their_order(page, tmp_path):
    generate(SyntheticSettings(n_train=160, n_test=40), tmp_path / "mine")
    environment = {name: value for name, value in os.environ.items() if name != "XMAS_HOME"}
    for command in console_commands(page.read_text()):
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
    if page.name == "getting_started.md":
        assert len(re.findall(r'"id"', (tmp_path / "subset.json").read_text())) == 32
    if page.name == "README.md":
        assert f"```\n{done.stdout}```" in README  # of the last command


def test_the_library_example_of_the_readme_gives_the_output_that_is_shown():
    code, output = re.findall(r"^```python\n(.*?)^```\n\n```\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)[0]
    assert len(code.splitlines()) <= 7
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == output


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_examples_run_in_their_order_and_stand_in_the_librarys_page(tmp_path):
    page = (ROOT / "docs" / "library.md").read_text()
    shown = re.findall(r"^<!-- examples/(\w+\.py) -->\n```python\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    assert dict(shown) == {path.name: path.read_text() for path in EXAMPLES}
    for name, code in shown:
        assert len(code.splitlines()) < 60
        run = [sys.executable, ROOT / "examples" / name]
        done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, f"{name}\n{done.stderr}"
        assert done.stdout, name


def test_lines_of_the_readme_are_at_most_120_characters():
    assert [line for line in README.splitlines() if len(line) > 120] == []


def test_every_method_is_in_the_readme():
    assert re.findall(r"^- `(\w+)`: ", README, flags=re.MULTILINE) == list(BUILT_IN)


def test_every_command_is_in_a_page_for_readers():
    pages = "".join(page.read_text() for page in PAGES if page.name != "cli.md")
    group = get_command(app)
    missing = {name for name in group.commands if f"xmas {name}" not in pages}  # pyright: ignore
    assert missing == set()


def test_the_method_table_is_current():
    page = (ROOT / "docs" / "methods.md").read_text()
    table = page.split("<!-- methods: xmas methods --markdown -->")[1].split("<!-- /methods -->")[0]
    assert table.strip() == method_table(BUILT_IN).strip()


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


def test_the_image_formats_that_the_security_page_promises_are_those_that_are_read():
    promised = re.findall(r"content must be (.*?);", (ROOT / "SECURITY.md").read_text())[0]
    kinds = re.split(r", | OR ", promised.upper())
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "TGA"):
        data = io.BytesIO()
        Image.new("RGB", (8, 8), "red").save(data, kind)
        if kind in kinds:
            assert image_format(data.getvalue()) == kind
        else:
            with pytest.raises(ImageError):
                image_format(data.getvalue())


def test_links_inside_the_documents_lead_somewhere():
    for document in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            if not target.startswith(("http://", "https://")):
                assert (document.parent / target).exists(), f"{document.name} links to {target}"
