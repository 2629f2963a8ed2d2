"""Read, check and clean: from raw months to parquet checkpoints.

To use data of your own, change the constants and `clean`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from .checkpoints import file_digest, replacing

PICKUP = "lpep_pickup_datetime"
DROPOFF = "lpep_dropoff_datetime"
TARGET = "duration"
"""Minutes from pickup to dropoff."""

SCHEMA = pa.schema(
    {
        PICKUP: pa.timestamp("us"),
        DROPOFF: pa.timestamp("us"),
        "PULocationID": pa.int64(),
        "DOLocationID": pa.int64(),
        "trip_distance": pa.float64(),
        "VendorID": pa.float64(),
        "trip_type": pa.float64(),
    }
)
"""The raw columns that are read, with the types they are cast to."""

LABELS = (DROPOFF,)
"""Those that only the target needs; a month to predict may lack them."""

INPUTS = pa.schema([field for field in SCHEMA if field.name not in LABELS])
"""Those that the model needs."""

REQUIRED = (PICKUP, DROPOFF, "PULocationID", "DOLocationID")
"""Columns without nulls; a row that lacks one is dropped."""

MIN_MINUTES, MAX_MINUTES = 1, 60
MAX_DROPPED_SHARE = 0.2
BATCH_ROWS = 250_000


class DataError(ValueError):
    """The data cannot be used: says which file, what is wrong and what to do."""


class Month(BaseModel):
    """A cleaned month: where it lies and what was kept of it."""

    source: str
    path: Path
    digest: str
    period: str
    rows: int
    kept: int
    dropped: dict[str, int]


def input_faults(trips: pd.DataFrame, period: str) -> dict[str, pd.Series]:
    """Why rows cannot be predicted: by reason, which rows, of shape (n,)."""
    required = trips.columns.intersection([*REQUIRED])
    months = trips[PICKUP].to_numpy().astype("M8[M]")
    return {
        "value missing": trips[required].isna().any(axis=1),
        "outside the month": pd.Series(months != np.datetime64(period), trips.index),
    }


def clean(trips: pd.DataFrame, period: str) -> tuple[pd.DataFrame, dict[str, int]]:
    """Drop the rows that are not trips of this period (yyyy-mm) and add the target.

    Returns the rows that are kept, and how many were dropped by reason.
    """
    minutes = (trips[DROPOFF] - trips[PICKUP]).dt.total_seconds() / 60
    faults = input_faults(trips, period) | {
        f"shorter than {MIN_MINUTES} minute": minutes < MIN_MINUTES,
        f"longer than {MAX_MINUTES} minutes": minutes > MAX_MINUTES,
    }
    kept = pd.Series(True, index=trips.index)
    dropped = {}
    for reason, fault in faults.items():
        dropped[reason] = int((kept & fault).sum())
        kept &= ~fault
    return trips.assign(**{TARGET: minutes})[kept], dropped


def clean_month(raw: Path, source: str, folder: Path) -> Month:
    """Check and clean one raw month, batch by batch, to a checkpoint in `folder`.

    Raises DataError where the file cannot be used; then no checkpoint is left.
    """
    digest = file_digest(raw)
    path = folder / f"{Path(source).stem}-{digest}.parquet"
    with open_month(raw, source, SCHEMA) as file:
        period = period_of(file, source)
        dropped: Counter[str] = Counter()
        kept = 0
        with replacing(path) as temporary, pq.ParquetWriter(temporary, _checkpoint_schema()) as out:
            for batch in batches(file, SCHEMA, BATCH_ROWS):
                trips, reasons = clean(batch.to_pandas(), period)
                out.write_table(pa.Table.from_pandas(trips, out.schema, preserve_index=False))
                dropped.update(reasons)
                kept += len(trips)
            _check_share(source, file.metadata.num_rows, kept, dropped)
        return Month(
            source=source,
            path=path,
            digest=digest,
            period=period,
            rows=file.metadata.num_rows,
            kept=kept,
            dropped=dict(dropped),
        )


def read(paths: Sequence[Path]) -> tuple[pd.DataFrame, pd.Series]:
    """Raw columns X and minutes y of cleaned months, in order of pickup."""
    table = pa.concat_tables(pq.read_table(path) for path in paths)
    trips = table.to_pandas(self_destruct=True).sort_values(PICKUP, kind="stable")
    trips = trips.reset_index(drop=True)
    return trips.drop(columns=[TARGET, *LABELS]), trips[TARGET]


def read_target(paths: Sequence[Path]) -> pd.Series:
    """Minutes y of cleaned months."""
    return pd.concat([pd.read_parquet(path, columns=[TARGET])[TARGET] for path in paths])


def check_months(train: Sequence[Month], test: Month) -> None:
    """Raise DataError if two of the months hold the same period."""
    sources: dict[str, str] = {}
    for month in (*train, test):
        if month.period in sources:
            raise DataError(
                f"{month.source}: holds {month.period}, as {sources[month.period]} does; "
                "give each month once, and test on a month that is not trained on"
            )
        sources[month.period] = month.source


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
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # the disk's fault, not the file's
        reason = str(error).split("\n")[0]
        raise DataError(f"{source}: not a whole parquet file; fetch it again ({reason})") from error


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
        fits = pa.types.is_timestamp if pa.types.is_timestamp(field.type) else _is_number
        if not fits(kind):
            raise DataError(
                f"{source}: column '{field.name}' is {kind}, not {field.type}; "
                "convert it in the file, or change SCHEMA in data.py"
            )


def _is_number(kind: pa.DataType) -> bool:
    # A column that is all null in one month has the null type there.
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind))


def batches(file: pq.ParquetFile, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
    """The columns of `schema`, in its types, so many rows at a time."""
    for batch in file.iter_batches(rows, columns=schema.names):
        yield batch.select(schema.names).cast(schema)


def period_of(file: pq.ParquetFile, source: str) -> str:
    """The month (yyyy-mm) of most pickups: real files hold a few rows of other years."""
    counts: Counter[np.datetime64] = Counter()
    for batch in file.iter_batches(BATCH_ROWS, columns=[PICKUP]):
        months = batch.column(0).drop_null().to_numpy(zero_copy_only=False).astype("M8[M]")
        counts.update(dict(zip(*np.unique(months, return_counts=True), strict=True)))
    if not counts:
        raise DataError(f"{source}: column '{PICKUP}' is empty; fetch the file again")
    return str(max(counts, key=lambda month: counts[month]))


def _check_share(source: str, rows: int, kept: int, dropped: Counter[str]) -> None:
    reasons = ", ".join(f"{reason}: {count:,}" for reason, count in dropped.items() if count)
    if kept == 0:
        raise DataError(f"{source}: no rows left of {rows:,} ({reasons}); check the file's columns")
    if rows - kept > MAX_DROPPED_SHARE * rows:
        raise DataError(
            f"{source}: {1 - kept / rows:.0%} of {rows:,} rows are bad ({reasons}); "
            "check the file, or change MAX_DROPPED_SHARE in data.py"
        )


def _checkpoint_schema() -> pa.Schema:
    return SCHEMA.append(pa.field(TARGET, pa.float64()))
