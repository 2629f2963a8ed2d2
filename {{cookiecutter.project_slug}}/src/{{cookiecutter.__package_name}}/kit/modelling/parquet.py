"""Raw months, which are parquet files: their columns checked, their rows in batches."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..locations import DataError
from ..progress import progress
from .periods import check_past, first_days, in_name, name_of

BATCH_ROWS = 250_000
FIX = "convert it in the file, or change SCHEMA in data.py"


class RawMonth:
    """An open parquet file. Raises DataError where it cannot be read as `schema` says."""

    def __init__(self, path: Path, source: str, schema: pa.Schema) -> None:
        self.source, self.schema = source, schema
        with _blaming(source):
            self._file = pq.ParquetFile(path)
            self.names: list[str] = self._file.schema_arrow.names
            self.rows: int = self._file.metadata.num_rows
            _check_columns(self._file.schema_arrow, schema, source)
        if not self.rows:
            raise DataError(f"{source}: has no rows; fetch it again or leave the month out")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def batches(self, what: str = "Reading", rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """Yield the columns in the schema's types, so many rows at a time; `what` is shown."""
        total = -(-self.rows // rows)
        for batch in progress(self._read(self.schema.names, rows), total, what, "batches"):
            columns = [_cast(batch.column(f.name), f, self.source) for f in self.schema]
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def periods(self, time: str) -> Counter[str]:
        """Return the rows of each month (or week, or day), by its name."""
        counts: Counter[np.datetime64] = Counter()
        for batch in self._read([time], BATCH_ROWS):
            times = _wall_clock(batch.column(0), self.source).drop_null()
            days = first_days(times.to_numpy(zero_copy_only=False))
            counts.update(dict(zip(*np.unique(days, return_counts=True), strict=True)))
        if not counts:
            raise DataError(f"{self.source}: column '{time}' is empty; fetch the file again")
        return Counter({name_of(day): rows for day, rows in counts.items()})

    def period(self, time: str) -> str:
        """Return the period of most rows (real files hold a few of others), or of the name."""
        period = self.periods(time).most_common(1)[0][0] if time else in_name(self.source)
        check_past(period, self.source)
        return period

    def _read(self, columns: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        found = self._file.iter_batches(rows, columns=columns)
        while True:
            with _blaming(self.source):
                batch = next(found, None)
            if batch is None:
                return
            yield batch


@contextmanager
def _blaming(source: str) -> Iterator[None]:
    """Say of an error that it is the file's: only around what reads it."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{source}: no such file; check the path or the data location") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # the disk's fault, not the file's
        reason = str(error).split("\n")[0]
        raise DataError(f"{source}: not a whole parquet file; fetch it again ({reason})") from error


def check_names(found: list[str], wanted: Iterable[str], source: str) -> None:
    """Raise DataError if a file has a column not once."""
    for name in wanted:
        if (count := found.count(name)) != 1:
            there = f"is there {count} times" if count else "is missing"
            raise DataError(
                f"{source}: column '{name}' {there}; rename the column in the file, or "
                f"change SCHEMA in data.py (the file has {', '.join(found)})"
            )


def _check_columns(found: pa.Schema, schema: pa.Schema, source: str) -> None:
    # A dataset read with a schema turns a missing column into nulls without a word.
    for field in schema:
        check_names(found.names, [field.name], source)
        kind = found.field(field.name).type
        if not (_sort(kind) == _sort(field.type) or pa.types.is_null(kind)):
            raise DataError(f"{source}: column '{field.name}' is {kind}, not {field.type}; {FIX}")


def _sort(kind: pa.DataType) -> str:
    """Return what a column is, however it is stored: that changes between months of one source."""
    types = pa.types
    if types.is_dictionary(kind):
        return _sort(kind.value_type)
    if types.is_timestamp(kind) or types.is_date(kind):
        return "time"
    numbers = types.is_integer, types.is_floating, types.is_boolean, types.is_decimal
    if any(is_a(kind) for is_a in numbers):
        return "number"
    is_text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    return "text" if is_text else str(kind)


def _cast(column: pa.Array, field: pa.Field, source: str) -> pa.Array:
    try:
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        return _wall_clock(column, source).cast(field.type)
    except pa.ArrowException as error:
        problem = f"column '{field.name}' does not fit {field.type} ({error})"
        raise DataError(f"{source}: {problem}; {FIX}") from error


def _wall_clock(column: pa.Array, source: str) -> pa.Array:
    """Return times with a zone as a clock on its wall shows them; other columns as they are."""
    zone = column.type.tz if pa.types.is_timestamp(column.type) else None
    if zone is None or zone.upper() in {"UTC", "Z"}:
        return column
    try:
        return pc.local_timestamp(column)
    except pa.ArrowInvalid as error:
        problem = f"a column of times has the zone {zone} ({error})"
        raise DataError(f"{source}: {problem}; {FIX}") from error
