"""DuckDB over the stored tables, for reading only: one view per table, and the queries in ``sql/``."""

import itertools
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa

from xmas_assets.contracts.errors import StoreError
from xmas_assets.contracts.messages import first_line, one_of
from xmas_assets.contracts.remedies import how_to_make
from xmas_assets.store.reading import SUFFIX

SQL = Path(__file__).resolve().parent.parent / "sql"
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,  # a table name must never mean a variable of the calling code
    "memory_limit": "4GB",  # what does not fit goes to the disk
    "max_temp_directory_size": "50GB",
}
MOST_SECONDS = 300.0
MOST_BYTES = 2_000_000_000
_AS_TEXT = re.compile(r"\b(INTERVAL|UNION|DATE|TIME|TIMESTAMP\w*|BIT)\b")  # types that polars has not, or not all of
_SHOW_TABLES = re.compile(r"\s*SHOW\s+TABLES\s*;?\s*", re.IGNORECASE)
_ALL_TABLES = """
SELECT if(schema_name = 'main', table_name, schema_name || '.' || table_name) AS name,
    string_agg(column_name, ', ' ORDER BY column_index) AS columns
FROM duckdb_columns() WHERE NOT internal GROUP BY ALL ORDER BY ALL
"""
_HEADER = re.compile(r"^-- (inputs|parameters): (.+)$", re.MULTILINE)


def connect(root: Path) -> duckdb.DuckDBPyConnection:
    """Open a database in memory whose views show the stored tables as they are at the time of each query.

    A table is seen as ``<asset>.<table>`` over all its partitions, with a text column per partition dimension
    (``dataset``, ``selection``). The views of ``sql/views`` are there if all their inputs are. Safe while runs go
    on: nothing is locked, files are replaced whole, and no file outside ``root`` can be read or opened.

    Args:
        root: Directory that holds the assets' directories; it may be empty.

    Raises:
        StoreError: If a stored table is damaged.
    """
    connection = duckdb.connect(":memory:", config=_CONFIG)
    try:
        _define_views(connection, root.absolute())
        _lock(connection, root.absolute())
    except duckdb.Error as error:
        raise StoreError(
            f"tables below {root} cannot be opened: {first_line(error)}; delete the folder of the table that is "
            "named, and run: xmas run DATASET --method METHOD"
        ) from None
    return connection


def query(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Sequence[object] | Mapping[str, object] = (),
    *,
    most_seconds: float = MOST_SECONDS,
    most_bytes: int = MOST_BYTES,
) -> pl.DataFrame:
    """The result of one SELECT. Of columns with one name, the second is called ``name_1``; dates and times are text.

    ``SHOW TABLES`` names the tables of all assets, with what each holds.

    Args:
        connection: From ``connect``.
        sql: One SELECT (or WITH, VALUES, FROM, DESCRIBE, SUMMARIZE, SHOW) statement.
        parameters: Values for its ``?``, or by name for its ``$name``; they are bound, never pasted into the text.
        most_seconds: How long it may take.
        most_bytes: How large its result may be.

    Raises:
        StoreError: If it is anything else, the database refuses it, or it takes or gives too much.
    """
    if _SHOW_TABLES.fullmatch(sql):
        sql = _ALL_TABLES
    try:
        kinds = [statement.type for statement in connection.extract_statements(sql)]
        if kinds != [duckdb.StatementType.SELECT]:
            seen = " and ".join(kind.name for kind in kinds) or "nothing"
            raise StoreError(f"only a single SELECT is allowed here, because tables are read-only; this is {seen}")
        with _time_limit(connection, most_seconds):
            return pl.DataFrame(_collect(_readable(connection, sql, parameters or None), most_bytes))
    except duckdb.InterruptException:
        raise StoreError(
            f"the query took more than {most_seconds:g} seconds; make it smaller, or read the tables in Python"
        ) from None
    except duckdb.Error as error:
        raise StoreError(f"{first_line(error)}; tables: {', '.join(_views(connection)) or 'none yet'}") from None


def query_names() -> list[str]:
    """Names of the queries in ``sql/``, sorted."""
    return sorted(path.stem for path in SQL.glob("*.sql"))


def run_query(connection: duckdb.DuckDBPyConnection, name: str, /, **parameters: object) -> pl.DataFrame:
    """The result of ``sql/<name>.sql``, with its parameters bound.

    Raises:
        StoreError: If there is no such query, its parameters are not those given, or an asset that it reads has not
            been made yet.
    """
    if name not in query_names():
        raise StoreError(f"query {name[:80]!r} is not known; {one_of(name, query_names())}")
    sql = (SQL / f"{name}.sql").read_text()
    taken = [entry.removeprefix("$") for entry in _listed(sql, "parameters") if entry != "none"]
    if set(parameters) != set(taken):
        given = ", ".join(sorted(parameters)) or "none"
        example = " ".join(f"--set {parameter}=VALUE" for parameter in taken)
        raise StoreError(
            f"query {name!r} takes the parameters {', '.join(taken) or 'none'}, given: {given}; "
            f"run: xmas sql --query {name} {example}"
        )
    missing = _missing_inputs(connection, sql)
    if missing:
        remedy = how_to_make(*sorted(set(_assets_of(missing))))
        raise StoreError(f"query {name!r} reads {', '.join(missing)}, not there yet; {remedy}")
    return query(connection, sql, parameters)


def _readable(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object] | Mapping[str, object] | None
) -> duckdb.DuckDBPyRelation:
    """A SELECT whose columns have distinct names, and types that polars can read."""
    relation = connection.sql(sql, params=parameters)
    names: list[str] = []
    for name in relation.columns:
        others = (f"{name}_{number}" for number in itertools.count(1))
        names.append(name if name not in names else next(other for other in others if other not in names))
    as_text = [bool(_AS_TEXT.search(str(kind))) for kind in relation.types]
    if names == relation.columns and not any(as_text):
        return relation
    quoted = [_identifier(name) for name in names]
    columns = [f"{name}::VARCHAR AS {name}" if text else name for name, text in zip(quoted, as_text, strict=True)]
    renamed = relation.query("result", f"SELECT {', '.join(columns)} FROM result AS renamed({', '.join(quoted)})")
    assert renamed is not None  # as only of a statement that gives no rows
    return renamed


def _collect(relation: duckdb.DuckDBPyRelation, most_bytes: int) -> pa.Table:
    reader = relation.to_arrow_reader()
    batches: list[pa.RecordBatch] = []
    n_bytes = 0
    for batch in reader:
        batches.append(batch)
        n_bytes += batch.nbytes
        if n_bytes > most_bytes:
            raise StoreError(
                f"the result is larger than {most_bytes / 1e9:g} GB; add LIMIT, aggregate, or read tables in Python"
            )
    return pa.Table.from_batches(batches, reader.schema)


@contextmanager
def _time_limit(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    timer = threading.Timer(seconds, connection.interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _define_views(connection: duckdb.DuckDBPyConnection, root: Path) -> None:
    for asset, table, pattern in _stored(root):
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_identifier(asset)}")
        connection.execute(
            f"CREATE VIEW {_identifier(asset)}.{_identifier(table)} AS SELECT * FROM read_parquet({_text(pattern)}, "
            "hive_partitioning = true, hive_types_autocast = false, union_by_name = true)"
        )
    for path in sorted(SQL.glob("views/*.sql")):
        view = path.read_text()
        if not _missing_inputs(connection, view):
            connection.execute(f"CREATE VIEW {_identifier(path.stem)} AS {view}")


def _lock(connection: duckdb.DuckDBPyConnection, root: Path) -> None:
    """Confine the connection to the store, for good."""
    # DuckDB compares a view's file pattern with the allowed folders as it is written, so both forms are listed.
    folders = f"[{_text(str(root))}, {_text(_pattern(root))}]"
    # They trust the smallest and largest values that the files had when the query was planned; a run may replace a file
    # before it is read.
    connection.execute("SET disabled_optimizers = 'statistics_propagation,compressed_materialization'")
    connection.execute(f"SET temp_directory = {_text(str(root / '.spill'))}")
    connection.execute(f"SET allowed_directories = {folders}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _stored(root: Path) -> list[tuple[str, str, str]]:
    """Asset, table and file pattern of every table that exists, sorted."""
    found: set[tuple[str, str, str]] = set()
    for path in root.glob(f"*/**/*{SUFFIX}"):
        asset, *partition, file = path.relative_to(root).parts
        folders = "".join(f"/{_pattern(Path(part.split('=')[0]))}=*" for part in partition)
        pattern = f"{_pattern(root / asset)}{folders}/{_pattern(Path(file))}"
        found.add((asset, file.removesuffix(SUFFIX), pattern))
    return sorted(found)


def _views(connection: duckdb.DuckDBPyConnection) -> list[str]:
    rows = connection.execute("SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal ORDER BY ALL")
    return [name if schema == "main" else f"{schema}.{name}" for schema, name in rows.fetchall()]


def _missing_inputs(connection: duckdb.DuckDBPyConnection, sql: str) -> list[str]:
    """What the ``-- inputs:`` line of a query names and the database does not have."""
    present = _views(connection)
    return [name for name in _listed(sql, "inputs") if name not in present]


def _assets_of(tables: Iterable[str]) -> Iterator[str]:
    """The assets that tables belong to, and those that views are made of."""
    for table in tables:
        asset, dot, _ = table.partition(".")
        if dot:
            yield asset
        else:
            yield from _assets_of(_listed((SQL / "views" / f"{table}.sql").read_text(), "inputs"))


def _listed(sql: str, entry: str) -> list[str]:
    """What an entry of a query's header lists, ``inputs`` or ``parameters``."""
    return dict(_HEADER.findall(sql)).get(entry, "").split(", ")


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _pattern(path: Path) -> str:
    """The path as a file pattern that matches it alone."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))
