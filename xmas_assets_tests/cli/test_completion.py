"""Shells complete what is typed after ``xmas``."""

import shutil
import subprocess

import pytest

from xmas_assets.data.registration import Registration
from xmas_assets_tests.cli.terminal import SCRIPTS, environment, terminal

SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'eval "$(xmas --show-completion)"'),
    "zsh": (["zsh", "-f", "-i"], 'autoload -Uz compinit; compinit -u -D; eval "$(xmas --show-completion)"'),
    "fish": (["fish", "--no-config", "-i"], "xmas --show-completion | source"),
}
SCRIPT = {
    "bash": "complete -o default -F _xmas_completion xmas",
    "zsh": "compdef _xmas_completion xmas",
    "fish": "complete --command xmas",
}


@pytest.fixture
def home(tmp_path):
    """A home with one registered dataset, ``pictures_of_pets``."""
    (tmp_path / "train.json").write_text("[]")
    Registration.create("pictures_of_pets", [tmp_path / "train.json"]).save(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "shell",
    [pytest.param(name, marks=pytest.mark.skipif(not shutil.which(name), reason="not here")) for name in SHELLS],
)
def test_the_tab_key_completes_commands_datasets_and_methods(shell, home):
    command, setup = SHELLS[shell]
    with terminal(command, home) as screen:
        screen.type(f"{setup}; echo rea''dy\n")
        screen.read(until="ready")
        for typed, rest in (
            ("xmas leade", "rboard"),
            ("xmas dataset show pic", "tures_of_pets"),
            ("xmas run pictures_of_pets --method semd", "edup"),
            ("xmas sql --query cluster", "_sizes"),
        ):
            screen.type(f"{typed}\t")
            screen.read(until=rest)
            screen.type("\x15")  # Ctrl-U: an empty line again


@pytest.mark.parametrize("shell", SHELLS)
def test_there_is_a_script_for_each_shell(shell, home):
    done = ask(home, _XMAS_COMPLETE=f"source_{shell}")
    assert (done.returncode, done.stderr) == (0, "")
    assert SCRIPT[shell] in done.stdout


@pytest.mark.parametrize(
    ("typed", "completions"),
    [
        ("xmas dataset ", ["add", "list", "show", "remove", "refresh", "refused", "grow", "forget-rows"]),
        ("xmas dataset add x --format llava", ["llava_json", "llava_jsonl"]),
        ("xmas dataset add x --duplicates ", ["keep", "quarantine"]),
        ("xmas dataset add x --profile to", ["toy"]),
        ("xmas export pictures_of_pets ", []),
        ("xmas compare pictures_of_pets ", []),
    ],
)
def test_completions_are_what_is_allowed_there(typed, completions, home):
    done = ask(home, _XMAS_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD=str(typed.count(" ")))
    assert (done.stdout.split(), done.stderr) == (completions, "")


def test_a_home_that_cannot_be_read_completes_nothing_and_breaks_no_line(tmp_path):
    (tmp_path / "file").touch()
    done = ask(tmp_path / "file", _XMAS_COMPLETE="complete_bash", COMP_WORDS="xmas run ", COMP_CWORD="2")
    assert (done.stdout.split(), done.stderr) == ([], "")


def ask(home, **variables: str) -> subprocess.CompletedProcess[str]:
    """What a shell's script asks ``xmas``."""
    return subprocess.run([SCRIPTS / "xmas"], env=environment(home) | variables, capture_output=True, text=True)
