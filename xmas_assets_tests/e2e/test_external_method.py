"""A method in a package of its own, installed by pip: listed, run, in the manifest, verified; and a broken one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from xmas_assets_tests.e2e.platforms import pip_installed

PACKAGE = Path(__file__).parents[1] / "external_method"
KEY = "short_answers_b0.20_s0"


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The folder that pip installed the package into."""
    return pip_installed(PACKAGE, tmp_path_factory.mktemp("installed"))


def run(home: Path, path: Path | None, *words: str, module: str = "xmas_assets") -> subprocess.CompletedProcess[str]:
    """Run a command with one more folder on Python's path."""
    folders = [str(Path(__file__).parents[2]), *([str(path)] if path else [])]
    environment = os.environ | {"XMAS_HOME": str(home), "PYTHONPATH": os.pathsep.join(folders)}
    environment |= {"DAGSTER_HOME": str(home / "dagster"), "COLUMNS": "200"}
    command = [sys.executable, "-m", module, *words]
    return subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True)


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """The one line in which a command was refused, after the line that names the home."""
    assert done.returncode == 2, done.stderr
    _, line = done.stderr.splitlines()
    return line.removeprefix("xmas: ")


@pytest.fixture(scope="module")
def selected(copied, installed) -> Path:
    """A home with a subset that the package's method chose."""
    done = run(copied, installed, "select", "shapes", "--method", "short_answers", "--budget", "0.2")
    assert done.returncode == 0, done.stderr
    assert f"{KEY}  48 rows" in done.stdout
    return copied


def test_it_is_in_the_list_of_methods(copied, installed):
    listed = run(copied, installed, "methods").stdout
    assert "short_answers" in listed
    assert "`shortest` = 0 (>= 0): Answers with fewer tokens come last" in listed
    assert "short_answers" not in run(copied, None, "methods").stdout


@pytest.mark.slow
def test_the_code_location_of_the_ui_runs_it(selected, installed):
    words = ("asset", "materialize", "--select", "selected_subset", "--partition", f"shapes|{KEY}")
    done = run(selected, installed, *words, "-m", "xmas_assets.definitions", module="dagster")
    assert done.returncode == 0, done.stderr
    assert "RUN_SUCCESS" in done.stderr


def test_the_manifest_names_package_and_version_and_is_verified_with_it(selected, installed, tmp_path):
    words = ("export", "shapes", KEY, "--to", str(tmp_path / "subset.json"))
    done = run(selected, installed, *words)
    assert done.returncode == 0, done.stderr
    (manifest,) = tmp_path.glob("*.manifest.json")
    assert json.loads(manifest.read_text())["method_package"] == {"distribution": "short-answers", "version": "1.2.3"}

    assert "48 of 240 rows of 'shapes' come out the same\n" in run(selected, installed, "verify", str(manifest)).stdout
    assert refusal(run(selected, None, "verify", str(manifest))) == (
        "method 'short_answers' of this manifest is of package short-answers 1.2.3, which is not installed; "
        "install it and verify again"
    )
    newer = shutil.copytree(installed, tmp_path / "newer")
    (info,) = newer.glob("*.dist-info")
    (info / "METADATA").write_text((info / "METADATA").read_text().replace("1.2.3", "1.3.0"))
    other = run(selected, newer, "verify", str(manifest)).stdout
    assert "come out the same; not as in the manifest: short-answers 1.2.3 there, 1.3.0 here\n" in other


@pytest.mark.slow
def test_parameters_of_a_method_that_is_gone_stop_that_method_only_and_are_said_once(selected, tmp_path):
    file = selected / "datasets" / "shapes.yaml"
    before = file.read_text()
    registered = yaml.safe_load(before)
    registered["overrides"]["methods"] = {"parameters": {"short_answers": {"shortest": 2}}}
    file.write_text(yaml.safe_dump(registered))
    notice = f"{file} sets parameters that nothing uses: method 'short_answers' is not known; use one of xmas, "
    for words in (
        ("status", "shapes"),
        ("dataset", "list"),
        ("dataset", "show", "shapes"),
        ("sql", "SELECT count(*) FROM raw_dataset.samples"),
        ("export", "shapes", KEY, "--to", str(tmp_path / "subset.json")),
        ("select", "shapes", "--method", "random", "--budget", "0.1"),
    ):
        done = run(selected, None, *words)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count(notice) == (words[0] in {"status", "select"}), done.stderr
    refused = run(selected, None, "select", "shapes", "--method", "short_answers", "--budget", "0.1")
    assert refusal(refused).startswith("method 'short_answers' is not known; use one of xmas, ")
    file.write_text(before)


def test_a_manifest_of_our_own_method_has_no_such_field(selected, tmp_path):
    words = ("export", "shapes", "random_b0.20_s0", "--to", str(tmp_path / "subset.json"))
    assert run(selected, None, *words).returncode == 0
    (manifest,) = tmp_path.glob("*.manifest.json")
    assert "method_package" not in json.loads(manifest.read_text())


@pytest.mark.slow
def test_a_broken_package_is_told_in_one_line_and_the_other_methods_go_on(copied, installed, tmp_path):
    broken = shutil.copytree(installed, tmp_path / "broken")
    (broken / "short_answers.py").write_text("raise RuntimeError('no licence')")
    reason = (
        "method 'short_answers' of package short-answers 1.2.3 cannot be imported from short_answers:ShortAnswers "
        "(RuntimeError: no licence); repair or remove the package"
    )
    listed = run(copied, broken, "methods")
    assert listed.returncode == 0
    assert "xmas_distinct" in listed.stdout
    assert reason in listed.stderr.splitlines()
    assert run(copied, broken, "select", "shapes", "--method", "random", "--budget", "0.1").returncode == 0
    refused = run(copied, broken, "select", "shapes", "--method", "short_answers", "--budget", "0.1")
    assert refusal(refused) == reason
