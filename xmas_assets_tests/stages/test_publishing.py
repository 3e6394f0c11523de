import shlex

from typer.testing import CliRunner

from xmas_assets.contracts.artifacts import SelectionKey
from xmas_assets.home.versions import code_version
from xmas_assets.stages.publishing import run_commands


def _keys(*texts: str) -> list[SelectionKey]:
    return [SelectionKey.parse(text) for text in texts]


def test_the_commands_of_the_report_make_its_selections_again():
    keys = _keys("xmas_b0.20_s0", "random_b0.05_s1", "full_b1.00_s0", "random_b0.05_s0", "random_b0.20_s0")
    assert run_commands("my data", [*keys, *_keys("random_b0.20_s1")]) == [
        "xmas run 'my data' --method full --seeds 1",
        "xmas run 'my data' --method random --budget 0.05 --budget 0.20 --seeds 2",
        "xmas run 'my data' --method xmas --budget 0.20 --seeds 1",
    ]


def test_methods_of_the_same_budgets_and_seeds_share_a_command_that_xmas_understands(tmp_path, monkeypatch):
    from xmas_assets.cli.app import app

    monkeypatch.setenv("XMAS_HOME", str(tmp_path))
    (command,) = run_commands("mine", _keys("xmas_b0.20_s0", "random_b0.20_s0"))
    assert command == "xmas run mine --method random --method xmas --budget 0.20 --seeds 1"
    found = CliRunner().invoke(app, shlex.split(command)[1:])
    assert "'mine' is not registered" in str(found.exception)


def test_the_code_is_named_by_version_and_sources():
    name, sources = code_version().split(", sources ")
    assert name.startswith("xmas-assets 0.")
    assert len(bytes.fromhex(sources)) == 6
