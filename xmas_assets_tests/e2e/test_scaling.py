"""What commands cost as selections become many: counted in statements to the databases, not in seconds."""

import pytest

from xmas_assets_tests.e2e.platforms import row, statements, write_dataset, xmas

COMMANDS = {
    "status": lambda n: ("status", "small"),
    "select when all is fresh": lambda n: ("select", "small", "--method", "random", "--budget", "0.5", "--seeds", n),
}


def n_statements(home, *words) -> int:
    with statements() as sent:
        assert xmas(home, *words).code == 0
    return len(sent)


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """Statements by command, and of making five selections more, with 5 and with 20 selections."""
    home = tmp_path_factory.mktemp("home")
    data = home.with_name("data")
    assert xmas(home, "dataset", "add", "small", *write_dataset(data, [row(n) for n in range(8)])).code == 0
    remembered = home / "dagster" / "latest_events.json"
    counts = {}
    for n_selections in (5, 20):
        made = ("select", "small", "--method", "random", "--budget", "0.5", "--seeds")
        xmas(home, *made, str(n_selections))
        remembered.unlink(missing_ok=True)
        numbers = {"look for the first time": n_statements(home, "status", "small")}
        for name, words in COMMANDS.items():
            numbers[name] = n_statements(home, *words(str(n_selections)))
        numbers["make five more"] = n_statements(home, *made, str(n_selections + 5))
        counts[n_selections] = numbers
    return counts


@pytest.mark.parametrize("what", [*COMMANDS, "look for the first time", "make five more"])
def test_twenty_selections_ask_as_much_as_five(counted, what):
    assert 0 < counted[20][what] < counted[5][what] + 15  # less than one for each selection more


def test_a_selection_more_asks_a_number_of_questions(counted):
    """Else the counter above would count nothing."""
    assert counted[5]["make five more"] > counted[5]["select when all is fresh"] + 5 * 50
