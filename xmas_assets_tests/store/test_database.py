import re
import threading
import time
from pathlib import Path

import duckdb
import polars as pl
import pytest

from xmas_assets.contracts.errors import StoreError
from xmas_assets.store.database import SQL, connect, query, run_query
from xmas_assets.store.tables import partition_directory, write_tables
from xmas_assets_tests.store.small_store import write_store


@pytest.fixture
def connection(tmp_path):
    write_store(tmp_path)
    with connect(tmp_path) as opened:
        yield opened


def test_every_table_is_a_view_over_all_its_partitions(connection):
    found = query(connection, "SELECT dataset, count(*) AS n FROM raw_dataset.samples GROUP BY ALL ORDER BY ALL")
    assert found.rows() == [("other", 1), ("shapes", 6)]
    sql = "SELECT DISTINCT dataset, selection FROM selected_subset.subset WHERE row = 5"
    assert query(connection, sql).rows() == [("shapes", "random_b0.50_s1")]


def test_partition_keys_come_back_as_text_and_as_they_were_typed(tmp_path):
    keys = ["007", "2024-01-01", "x'; DROP TABLE--", '"a"."b"', "../x", "a=b&c%20", "é\n"]
    for key in keys:
        write_tables(partition_directory(tmp_path, "clusters", dataset=key), {"t": pl.DataFrame({"row": [1]})})
    found = query(connect(tmp_path), "SELECT dataset FROM clusters.t ORDER BY dataset")
    assert found["dataset"].to_list() == sorted(keys)


def test_a_store_below_an_odd_path_works(tmp_path):
    root = tmp_path / 'it\'s [1] *"odd"?' / "run=1"
    write_store(root)
    assert query(connect(root), "SELECT count(*) AS n FROM clusters.clusters")["n"].to_list() == [7]


def test_a_new_partition_is_seen_by_an_open_connection(tmp_path, connection):
    directory = partition_directory(tmp_path, "clusters", dataset="third")
    write_tables(directory, {"clusters": pl.DataFrame({"row": [0], "label": [5]})})
    assert query(connection, "SELECT label FROM clusters.clusters WHERE dataset = 'third'").rows() == [(5,)]


def test_views_join_what_is_there(connection):
    sql = "SELECT row, task FROM subset_samples WHERE dataset = 'shapes' AND selection = 'xmas_b0.50_s0' ORDER BY row"
    assert query(connection, sql).rows() == [(0, "count"), (2, "count"), (4, "colour")]
    sql = "SELECT DISTINCT method, budget, seed FROM scored_answers ORDER BY ALL"
    assert query(connection, sql).rows() == [
        ("balanced_random", "0.50", 0),
        ("random", "0.05", 0),
        ("xmas", "0.50", 0),
        ("xmas", "0.50", 1),
    ]


def test_a_view_is_absent_while_one_of_its_inputs_is(tmp_path):
    write_tables(partition_directory(tmp_path, "raw_dataset", dataset="d"), {"samples": pl.DataFrame({"row": [1]})})
    with pytest.raises(StoreError, match=r"subset_samples does not exist!.*tables: raw_dataset\.samples$"):
        query(connect(tmp_path), "SELECT * FROM subset_samples")


def test_an_empty_or_missing_store_has_no_tables(tmp_path):
    assert query(connect(tmp_path / "nowhere"), "SELECT 1 AS x")["x"].to_list() == [1]
    with pytest.raises(StoreError, match="tables: none yet"):
        query(connect(tmp_path), "SELECT * FROM clusters.clusters")


def test_values_are_bound_never_pasted(connection):
    hostile = "x'; DROP VIEW clusters.clusters; --"
    assert query(connection, "SELECT ? AS a, $1 AS b", [hostile]).rows() == [(hostile, hostile)]
    found = query(connection, "SELECT count(*) AS n FROM clusters.clusters WHERE dataset = $d", {"d": hostile})
    assert found["n"].to_list() == [0]


@pytest.mark.parametrize(
    "sql",
    [
        "DROP VIEW clusters.clusters",
        "CREATE TABLE t (i INT)",
        "COPY (SELECT 1) TO '{root}/clusters/dataset=shapes/clusters.parquet'",
        "ATTACH '{root}/x.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "PRAGMA enable_profiling",
        "CALL pragma_version()",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{root}/y.parquet'",
        "SELECT 1; DROP VIEW clusters.clusters",
        "-- nothing",
        "",
    ],
)
def test_only_a_single_select_is_allowed(tmp_path, connection, sql):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StoreError, match="only a single SELECT is allowed"):
        query(connection, sql.format(root=tmp_path))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "sql", ["WITH t AS (SELECT 1) FROM t", "VALUES (1)", "DESCRIBE SELECT 1", "SUMMARIZE SELECT 1"]
)
def test_other_ways_to_read_are_allowed(connection, sql):
    assert len(query(connection, sql)) == 1


def test_no_file_outside_the_store_can_be_read(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("password")
    write_store(tmp_path / "tables")
    connection = connect(tmp_path / "tables")
    for path in (secret, tmp_path / "tables" / ".." / "secret.txt", Path("/etc/passwd")):
        for sql in (
            f"SELECT * FROM read_text('{path}')",
            f"SELECT * FROM read_csv('{path}')",
            f"SELECT * FROM '{path}'",
        ):
            with pytest.raises(StoreError):
                query(connection, sql)


def test_the_lock_cannot_be_undone(connection):
    with pytest.raises(duckdb.Error, match="locked"):
        connection.execute("SET enable_external_access = true")


def test_a_name_never_means_a_variable_of_the_calling_code(connection):
    hidden = pl.DataFrame({"x": [1]})
    assert len(hidden) == 1
    with pytest.raises(StoreError, match="hidden does not exist"):
        query(connection, "SELECT * FROM hidden")


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT nope FROM clusters.clusters", "SELECT * FROM t", "SELECT $missing"])
def test_a_mistake_in_the_sql_is_told_in_one_line_with_the_tables_there_are(connection, sql):
    with pytest.raises(StoreError, match=r"; tables: benchmark_scores\.answers, clusters\.clusters, ") as caught:
        query(connection, sql)
    assert "\n" not in str(caught.value)


def test_a_damaged_table_is_told_in_one_line(tmp_path):
    write_store(tmp_path)
    (tmp_path / "clusters" / "dataset=shapes" / "clusters.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(StoreError, match=r"cannot be opened: .* run: xmas run DATASET --method METHOD$") as caught:
        connect(tmp_path)
    assert "\n" not in str(caught.value)


def test_reading_is_safe_while_a_run_replaces_the_files(tmp_path):
    """Every table written holds one number a thousand times; no reader may see two numbers, or a missing file."""
    directory = partition_directory(tmp_path, "clusters", dataset="d")
    write_tables(directory, {"t": pl.DataFrame({"x": [0] * 1000})})
    stop = threading.Event()

    def rewrite():
        number = 0
        while not stop.is_set():
            number += 1
            # Far apart in turn, so that a plan made from one file's statistics does not fit the next file.
            write_tables(directory, {"t": pl.DataFrame({"x": [number % 7 * 1000] * 1000})})

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        with connect(tmp_path) as connection, connect(tmp_path) as other:
            for _ in range(300):
                for reader in (connection, other):
                    found = query(reader, "SELECT count(*) AS n FROM clusters.t GROUP BY x")
                    assert found.rows() == [(1000,)]
    finally:
        stop.set()
        writer.join()


def test_an_unknown_query_is_refused_with_the_known_ones(connection):
    with pytest.raises(
        StoreError, match="query 'clustersizes' is not known; did you mean 'cluster_sizes'. use one of cluster_sizes, "
    ):
        run_query(connection, "clustersizes")


def test_a_query_without_its_tables_names_the_asset_to_materialize(tmp_path):
    with pytest.raises(
        StoreError,
        match=r"reads clusters\.clusters, not there yet; .*xmas select DATASET --method METHOD$",
    ):
        run_query(connect(tmp_path), "cluster_sizes", dataset="shapes")


@pytest.mark.parametrize(
    ("given", "listed"),
    [
        ({}, "none"),
        ({"dataset": "shapes"}, "dataset"),
        ({"dataset": "shapes", "selektion": "x"}, "dataset, selektion"),
        ({"dataset": "shapes", "selection": "x", "name": "y"}, "dataset, name, selection"),
    ],
)
def test_parameters_that_a_query_does_not_take_are_refused_with_the_command(connection, given, listed):
    with pytest.raises(StoreError) as caught:
        run_query(connection, "subset_by_cluster", **given)
    assert str(caught.value) == (
        f"query 'subset_by_cluster' takes the parameters dataset, selection, given: {listed}; "
        "run: xmas sql --query subset_by_cluster --set dataset=VALUE --set selection=VALUE"
    )


def test_the_header_of_a_query_names_its_parameters():
    for path in SQL.glob("*.sql"):
        header, statement = path.read_text().split("SELECT", 1)
        (line,) = (line for line in header.splitlines() if line.startswith("-- parameters: "))
        assert line.removeprefix("-- parameters: ").split(", ") == sorted(set(re.findall(r"\$\w+", statement)))


def test_every_sql_file_says_what_it_reads_takes_and_gives():
    files = [*SQL.glob("*.sql"), *SQL.glob("views/*.sql")]
    assert len(files) == 8
    for path in files:
        header = path.read_text().splitlines()[:4]
        assert [line.split(": ")[0] for line in header[1:]] == ["-- inputs", "-- parameters", "-- grain"], path.name


@pytest.mark.parametrize(
    ("sql", "columns", "row"),
    [
        ("SELECT 1 AS a, 2 AS a", ["a", "a_1"], (1, 2)),
        ("SELECT 1 AS a, 2 AS a_1, 3 AS a", ["a", "a_1", "a_2"], (1, 2, 3)),
        ('SELECT \'x\' AS "a""b", \'y\' AS "a""b"', ['a"b', 'a"b_1'], ("x", "y")),
        ("SELECT interval 1 day AS d -- a word", ["d"], ("1 day",)),
        ("SELECT {'a': interval 1 day} AS s", ["s"], ("{'a': 1 day}",)),
        ("SELECT [interval 1 day] AS s;", ["s"], ("[1 day]",)),
        ("SELECT union_value(a := 1) AS u", ["u"], ("1",)),
        ("SELECT 'infinity'::timestamp AS t, date '5000000-01-01' AS d", ["t", "d"], ("infinity", "5000000-01-01")),
        ("SELECT '101'::bit AS b", ["b"], ("101",)),
    ],
)
def test_columns_of_one_name_and_types_that_polars_has_not_are_read(connection, sql, columns, row):
    found = query(connection, sql)
    assert (found.columns, found.row(0)) == (columns, row)


def test_the_order_and_the_parameters_of_a_query_stay_where_its_columns_are_renamed(connection):
    sql = "SELECT a.range AS n, a.range + $more AS n FROM range(5000) a ORDER BY n DESC"
    assert query(connection, sql, {"more": 1}).rows() == [(n, n + 1) for n in range(4999, -1, -1)]


def test_a_query_that_takes_or_gives_too_much_is_ended_in_one_line(connection):
    started = time.monotonic()
    with pytest.raises(StoreError, match=r"^the query took more than 0\.2 seconds; make it smaller"):
        query(connection, "SELECT count(*) FROM range(10000000000) a, range(100000) b", most_seconds=0.2)
    assert time.monotonic() - started < 30
    with pytest.raises(StoreError, match=r"^the result is larger than 0\.001 GB; add LIMIT"):
        query(connection, "SELECT range FROM range(1000000000)", most_bytes=1_000_000)
    assert query(connection, "SELECT 1 AS a").item() == 1
