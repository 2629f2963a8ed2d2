"""Read months, which are parquet files: their columns checked, their rows in batches."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .checkpoints import text_digest
from .progress import progress

BATCH_ROWS = 250_000


class DataError(ValueError):
    """The data cannot be used: says which file, what is wrong and what to do."""


def file_name(location: str) -> str:
    """What a month's file is called, or would be: a table's and a query's have a name as well."""
    if "://" not in location:
        return Path(location).name
    url = urlsplit(location)
    options = parse_qs(url.query)
    if "table" in options:
        return f"{options['table'][0]}.parquet"
    if "query" in options:
        return f"query-{text_digest(options['query'][0])}.parquet"
    return url.path.rsplit("/", 1)[-1]


@contextmanager
def open_month(raw: Path, source: str, schema: pa.Schema) -> Iterator[pq.ParquetFile]:
    """The parquet file, the columns of `schema` checked by their physical names and types."""
    try:
        with pq.ParquetFile(raw) as file:
            _check_columns(file.schema_arrow, schema, source)
            if file.metadata.num_rows == 0:
                raise DataError(f"{source}: has no rows; fetch it again or leave the month out")
            yield file
    except FileNotFoundError:
        raise DataError(f"{source}: no such file; check the path or the data location") from None
    except _CastError as error:
        raise DataError(
            f"{source}: {error}; convert it in the file, or change SCHEMA in data.py"
        ) from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # the disk's fault, not the file's
        reason = str(error).split("\n")[0]
        raise DataError(f"{source}: not a whole parquet file; fetch it again ({reason})") from error


def batches(
    file: pq.ParquetFile, schema: pa.Schema, rows: int = BATCH_ROWS, what: str = "Reading"
) -> Iterator[pa.RecordBatch]:
    """The columns of `schema`, in its types, so many rows at a time; `what` names the progress."""
    total = -(-file.metadata.num_rows // rows)
    found = file.iter_batches(rows, columns=schema.names)
    for batch in progress(found, total, what, "batches"):
        columns = [_cast(batch.column(field.name), field) for field in schema]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def period_of(file: pq.ParquetFile, time: str, source: str) -> str:
    """The month (yyyy-mm) of most rows by the column `time`: real files hold a few of others."""
    counts: Counter[np.datetime64] = Counter()
    for batch in file.iter_batches(BATCH_ROWS, columns=[time]):
        times = _wall_clock(batch.column(0)).drop_null()
        months = times.to_numpy(zero_copy_only=False).astype("M8[M]")
        counts.update(dict(zip(*np.unique(months, return_counts=True), strict=True)))
    if not counts:
        raise DataError(f"{source}: column '{time}' is empty; fetch the file again")
    period = str(max(counts, key=lambda month: counts[month]))
    check_past(period, source)
    return period


def check_past(period: str, source: str) -> None:
    """Raise DataError if a month (yyyy-mm) has begun nowhere on earth yet.

    It would stay the newest month, and every later model would be tested on it.
    """
    east = timezone(timedelta(hours=14))
    if np.datetime64(period) > np.datetime64(f"{datetime.now(east):%Y-%m}"):
        raise DataError(
            f"{source}: is of {period}, which has not begun; "
            "check the file and its name, or this machine's clock"
        )


def _check_columns(found: pa.Schema, schema: pa.Schema, source: str) -> None:
    # A dataset read with a schema turns a missing column into nulls without a word.
    for field in schema:
        count = len(found.get_all_field_indices(field.name))
        if count != 1:
            raise DataError(
                f"{source}: column '{field.name}' is there {count} times, not once; "
                "rename the column in the file, or change SCHEMA in data.py "
                f"(the file has {', '.join(found.names)})"
            )
        kind = found.field(field.name).type
        if not (_sort(kind) == _sort(field.type) or pa.types.is_null(kind)):
            raise DataError(
                f"{source}: column '{field.name}' is {kind}, not {field.type}; "
                "convert it in the file, or change SCHEMA in data.py"
            )


def _sort(kind: pa.DataType) -> str:
    """What a column is, however it is stored: that changes between months of one source."""
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "time"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return "number"
    return "text" if pa.types.is_string(kind) or pa.types.is_large_string(kind) else str(kind)


class _CastError(Exception):
    """Values of a column do not fit its type in SCHEMA."""


def _cast(column: pa.Array, field: pa.Field) -> pa.Array:
    try:
        return _wall_clock(column).cast(field.type)
    except pa.ArrowInvalid as error:
        raise _CastError(f"column '{field.name}' does not fit {field.type} ({error})") from error


def _wall_clock(column: pa.Array) -> pa.Array:
    """Times with a zone as a clock on its wall shows them; other columns as they are."""
    zone = column.type.tz if pa.types.is_timestamp(column.type) else None
    if zone is None or zone.upper() in {"UTC", "Z"}:
        return column
    try:
        return pc.local_timestamp(column)
    except pa.ArrowInvalid as error:
        raise _CastError(f"a column of times has the zone {zone} ({error})") from error
