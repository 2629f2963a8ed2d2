"""Months in a PostgreSQL database: a table or a query, read in batches.

The driver is ADBC's: it gives Arrow batches straight from COPY, so a table of any size passes in
little memory. psycopg makes an object of every value, and connectorx holds the whole result.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pyarrow as pa
import pyarrow.parquet as pq

from ..settings import Settings
from .locations import DataError
from .modelling.contract import SCHEMA

# A server that vanishes must not hang the flow run: seconds and milliseconds to wait for it.
OPTIONS = {"connect_timeout": "10", "tcp_user_timeout": "30000"}

TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema"

# Classes of SQLSTATE of wrong data and wrong queries: another try would not help.
WRONG = ("22", "42")


def list_tables(location: str) -> list[str]:
    """List the locations of the tables and views of a database."""
    with _cursor(location) as cursor:
        cursor.execute(TABLES)
        names = [str(name) for (name,) in cursor.fetchall()]
    sign = "&" if urlsplit(location).query else "?"
    return [f"{location}{sign}{urlencode({'table': name})}" for name in names]


def copy(location: str, path: Path) -> None:
    """Write the columns of SCHEMA that a location's table or query has to a parquet file.

    Raises DataError if there is no such table or the query is wrong, and ConnectionError if the
    database cannot be reached, or is lost on the way.
    """
    query = _split(location)[1]
    if not query:
        raise DataError(f"{location}: names no table; add ?table=NAME, or ?query= and a SELECT")
    with _cursor(location) as cursor:
        cursor.execute(query)
        batches = cursor.fetch_record_batch()
        columns = [i for i, name in enumerate(batches.schema.names) if name in SCHEMA.names]
        schema = pa.schema([_without_decimals(batches.schema.field(i)) for i in columns])
        with pq.ParquetWriter(path, schema) as out:
            for batch in batches:
                out.write_batch(batch.select(columns).cast(schema))


def _without_decimals(field: pa.Field) -> pa.Field:
    # ADBC gives numeric, whose precision has no limit, as text.
    decimal = isinstance(field.type, pa.OpaqueType) and field.type.type_name == "numeric"
    return pa.field(field.name, pa.float64() if decimal else field.type)


def _split(location: str) -> tuple[str, str]:
    """Return the address for libpq, and the query."""
    url = urlsplit(location)
    options = OPTIONS | dict(parse_qsl(url.query))
    table, query = options.pop("table", ""), options.pop("query", "")
    if table:
        quoted = table.replace('"', '""').replace(".", '"."')
        query = f'SELECT * FROM "{quoted}"'  # noqa: S608 the name is quoted
    return urlunsplit(url._replace(query=urlencode(options))), query


def _unlock() -> None:
    """Give libpq the password that a Prefect Secret block keeps, if Settings name one."""
    if name := Settings().database_secret:
        from prefect.blocks.system import Secret

        block: Any = Secret.load(name)
        os.environ["PGPASSWORD"] = block.get()


@contextmanager
def _cursor(location: str) -> Iterator[Any]:
    """Give a cursor, whose errors say in one line what went wrong, in two kinds."""
    _unlock()
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError:
        advice = "`uv sync --group postgres` (in clones: `uv add adbc-driver-postgresql`)"
        raise DataError(f"{location}: needs a driver; run {advice}") from None
    try:
        with dbapi.connect(_split(location)[0]) as connection, connection.cursor() as cursor:
            yield cursor
    except (dbapi.Error, OSError) as error:
        reason = str(error).partition("\n")[0]
        if (getattr(error, "sqlstate", None) or "").startswith(WRONG):
            raise DataError(f"{location}: {reason}; check the table or the query") from error
        raise ConnectionError(reason) from error
