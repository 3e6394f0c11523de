"""Hostile names, files, queries and paths."""

import dagster as dg
import pytest

from xmas_assets.orchestration.platform import RunFailedError
from xmas_assets_tests.e2e.platforms import row, table_bytes, write_dataset, xmas

BAD_NAMES = ("x'; DROP TABLE--", "../x", "a" * 300, "CON", "con", "\N{GRINNING FACE}", '"a"."b"', "a|b", "", "/etc/x")


# 105 names, 107 YAML, 108 paths


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_hostile_dataset_name_is_refused_by_every_command_and_makes_nothing(tmp_path, name):
    words = write_dataset(tmp_path / "data", [row(0)])
    commands = [
        ("dataset", "add", *words, "--", name),
        ("dataset", "show", "--", name),
        ("dataset", "remove", "--yes", "--", name),
        ("run", "--method", "random", "--", name),
        ("leaderboard", "--", name),
        ("export", "--to", str(tmp_path / "out.json"), "--", name, "random_b0.10_s0"),
        ("compare", "--", name, "xmas@0.2", "random@0.2"),
        ("status", "--", name),
    ]
    for command in commands:
        assert "is not allowed; use 1 to 64 of a-z" in xmas(tmp_path / "home", *command).message
    assert [path for path in (tmp_path / "home").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", ["x'; DROP TABLE--", "../x", "a" * 300, "\N{GRINNING FACE}"])
def test_a_hostile_name_typed_in_the_ui_ends_in_one_line_and_makes_nothing(platform, copied, name):
    before = table_bytes(copied)
    platform.instance.add_dynamic_partitions("dataset", [name])
    with pytest.raises(RunFailedError, match=r"^raw_dataset of .*is not allowed; use 1 to 64 of a-z.*$"):
        platform.materialize(["raw_dataset"], name)
    with pytest.raises(RunFailedError, match=r"^[^\n]*$"):
        platform.materialize(["selected_subset"], dg.MultiPartitionKey({"dataset": name, "selection": "full_b1.00_s0"}))
    assert table_bytes(copied) == before


def test_sql_that_is_more_than_one_select_is_refused_and_a_quoted_name_is_a_value(copied):
    before = table_bytes(copied)
    assert "only a single SELECT is allowed" in xmas(copied, "sql", "DROP TABLE raw_dataset.samples").message
    assert "only a single SELECT" in xmas(copied, "sql", "SELECT 1; DROP VIEW raw_dataset.samples").message
    said = xmas(copied, "sql", "SELECT count(*) AS n FROM raw_dataset.samples WHERE dataset = 'x''; DROP TABLE--'")
    assert (said.code, "0" in said.out) == (0, True)
    assert table_bytes(copied) == before


def test_a_registration_file_with_a_hostile_name_or_with_code_in_it_is_refused(tmp_path):
    folder = tmp_path / "home" / "datasets"
    folder.mkdir(parents=True)
    (folder / "con.yaml").write_text("name: con\nannotations: [/tmp/x.json]\n")
    (folder / "evil.yaml").write_text(f"name: !!python/object/apply:os.mkdir ['{tmp_path}/made']\n")
    assert "is not allowed" in xmas(tmp_path / "home", "dataset", "show", "con").message
    assert "not plain YAML" in xmas(tmp_path / "home", "dataset", "show", "evil").message
    assert "not plain YAML" in xmas(tmp_path / "home", "run", "evil", "--method", "random").message
    words = write_dataset(tmp_path / "data", [row(0)])
    profile = xmas(tmp_path / "home", "dataset", "add", "ds", *words, "--profile", folder / "evil.yaml")
    assert "not plain YAML" in profile.message
    assert not (tmp_path / "made").exists()


def test_shell_characters_in_every_path_reach_no_shell(tmp_path):
    odd = tmp_path / "a b;touch made;$(touch made)`touch made`'\"&|*[x]#\N{SNOWMAN}"
    words = write_dataset(odd / "data", [row(number) for number in range(4)])
    assert xmas(odd / "home", "dataset", "add", "ds", *words).code == 0
    assert xmas(odd / "home", "select", "ds", "--method", "random", "--budget", "0.5").code == 0
    assert xmas(odd / "home", "export", "ds", "random_b0.50_s0", "--to", odd / "out;x.json").code == 0
    assert xmas(odd / "home", "verify", odd / "out;x.manifest.json").code == 0
    assert xmas(odd / "home", "sql", "SELECT count(*) FROM raw_dataset.samples").code == 0
    assert list(tmp_path.rglob("made")) == []


@pytest.mark.parametrize("name", ["what?", "100%"])
def test_a_home_that_no_sqlite_address_can_name_is_refused_and_not_made(tmp_path, name):
    said = xmas(tmp_path / name, "dataset", "list")
    assert said.err == (
        f"xmas: {tmp_path}/{name} holds '?' or '%', which the addresses of SQLite files cannot; set another XMAS_HOME\n"
    )
    assert list(tmp_path.iterdir()) == []
