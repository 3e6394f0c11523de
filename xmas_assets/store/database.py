"""DuckDB over the stored tables, for reading only: one view per table, and the queries in ``sql/``."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import duckdb
import polars as pl

from xmas_assets.contracts.errors import StoreError
from xmas_assets.contracts.messages import first_line
from xmas_assets.contracts.remedies import how_to_make
from xmas_assets.store.reading import SUFFIX

SQL = Path(__file__).resolve().parent.parent / "sql"
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,  # a table name must never mean a variable of the calling code
}
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
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()
) -> pl.DataFrame:
    """The result of one SELECT.

    Args:
        connection: From ``connect``.
        sql: One SELECT (or WITH, VALUES, FROM, DESCRIBE, SUMMARIZE, SHOW) statement.
        parameters: Values for its ``?``, or by name for its ``$name``; they are bound, never pasted into the text.

    Raises:
        StoreError: If it is anything else, or the database refuses it.
    """
    try:
        kinds = [statement.type for statement in connection.extract_statements(sql)]
        if kinds != [duckdb.StatementType.SELECT]:
            seen = " and ".join(kind.name for kind in kinds) or "nothing"
            raise StoreError(f"only a single SELECT is allowed here, because tables are read-only; this is {seen}")
        return pl.DataFrame(connection.sql(sql, params=parameters or None).to_arrow_table())
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
        raise StoreError(f"query {name[:80]!r} is not known; use one of {', '.join(query_names())}")
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
