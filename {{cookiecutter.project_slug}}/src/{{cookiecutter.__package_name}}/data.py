"""Read, check and clean: from raw months to parquet checkpoints.

To use data of your own, change the constants down to MAX_DROPPED_SHARE, and `clean`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from .checkpoints import CLEANING, file_digest, replacing, text_digest
from .parquet import DataError, batches, file_name, open_month, period_of

PICKUP = "lpep_pickup_datetime"
DROPOFF = "lpep_dropoff_datetime"

TIME = PICKUP
"""The column that puts the rows in order, and into months."""

TARGET = "duration"
UNIT = "minutes"
NOUN = "trips"
"""What is predicted, in which unit, and what the rows are called.

The target is a column that `clean` adds, or a raw one: then it is in SCHEMA, LABELS and REQUIRED.
"""

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
"""The raw columns that are read, with the types they are cast to.

Times are timestamp("us"), numbers int64 or float64 (yes and no too), texts string. Times with a
zone are read from a clock of that zone; for spans across its changes give them in UTC.
"""

LABELS = (DROPOFF,)
"""Those that only the target needs; a month to predict may lack them."""

INPUTS = pa.schema([field for field in SCHEMA if field.name not in LABELS])
"""Those that the model needs."""

REQUIRED = (PICKUP, DROPOFF, "PULocationID", "DOLocationID")
"""Columns without nulls; a row that lacks one is dropped."""

RANGES: dict[str, tuple[float, float]] = {
    "PULocationID": (1, 265),
    "DOLocationID": (1, 265),
}
"""The known values of some inputs, from and to; a row with others is dropped."""

MIN_MINUTES, MAX_MINUTES = 1, 60
MAX_DROPPED_SHARE = 0.2
"""Share of bad rows above which a month is refused."""


class Month(BaseModel):
    """A cleaned month: where it lies and what was kept of it."""

    source: str
    path: Path
    digest: str
    period: str
    rows: int
    kept: int
    dropped: dict[str, int]


def input_faults(rows: pd.DataFrame, period: str | None = None) -> dict[str, pd.Series]:
    """Why rows cannot be predicted: by reason, which rows, of shape (n,). Period None: any."""
    required = rows.columns.intersection([*REQUIRED])
    faults = {"value missing": rows[required].isna().any(axis=1)}
    for name, (low, high) in RANGES.items():
        faults[f"{name} not from {low} to {high}"] = ~rows[name].between(low, high)
    if period:
        months = rows[TIME].to_numpy().astype("M8[M]")
        faults["outside the month"] = pd.Series(months != np.datetime64(period), rows.index)
    return faults


def clean(trips: pd.DataFrame, period: str) -> tuple[pd.DataFrame, dict[str, int]]:
    """Drop the rows that are not trips of this period (yyyy-mm) and add the target.

    Returns the rows that are kept, and how many were dropped by reason.
    """
    minutes = (trips[DROPOFF] - trips[PICKUP]).dt.total_seconds() / 60
    faults = input_faults(trips, period) | {
        f"shorter than {MIN_MINUTES} minute": minutes < MIN_MINUTES,
        f"longer than {MAX_MINUTES} minutes": minutes > MAX_MINUTES,
    }
    return drop(trips.assign(**{TARGET: minutes}), faults)


def drop(
    rows: pd.DataFrame, faults: Mapping[str, pd.Series]
) -> tuple[pd.DataFrame, dict[str, int]]:
    """The rows without a fault, and how many were dropped by their first one."""
    first = np.select([*faults.values()], range(len(faults)), -1)
    dropped = np.bincount(first + 1, minlength=len(faults) + 1)[1:]
    return rows[first < 0], dict(zip(faults, map(int, dropped), strict=True))


def clean_month(raw: Path, source: str, folder: Path) -> Month:
    """Check and clean one raw month, batch by batch, to a checkpoint in `folder`.

    Raises DataError where the file cannot be used; then no checkpoint is left.
    """
    with open_month(raw, source, SCHEMA) as file:
        digest = file_digest(raw)
        content = text_digest(repr((digest, CLEANING)))
        path = folder / f"{Path(file_name(source)).stem}-{content}.parquet"
        period = period_of(file, TIME, source)
        dropped: Counter[str] = Counter()
        kept = 0
        with replacing(path) as temporary, pq.ParquetWriter(temporary, _checkpoint_schema()) as out:
            for batch in batches(file, SCHEMA, what=f"Cleaning {period}"):
                rows, reasons = clean(batch.to_pandas(), period)
                out.write_table(pa.Table.from_pandas(rows, out.schema, preserve_index=False))
                dropped.update(reasons)
                kept += len(rows)
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
    """Raw inputs X and target y of cleaned months, in order of time."""
    columns = [*INPUTS.names, TARGET]
    table = pa.concat_tables(pq.read_table(path, columns=columns) for path in paths)
    rows = table.to_pandas(self_destruct=True).sort_values(TIME, kind="stable")
    rows = rows.reset_index(drop=True)
    return rows[INPUTS.names], rows[TARGET]


def check_months(train: Sequence[Month], test: Month) -> None:
    """Raise DataError if two of the months hold the same period, or the test is not the newest."""
    sources: dict[str, str] = {}
    for month in (*train, test):
        if month.period in sources:
            raise DataError(
                f"{month.source}: holds {month.period}, as {sources[month.period]} does; "
                "give each month once, and test on a month that is not trained on"
            )
        sources[month.period] = month.source
    newest = max(train, key=lambda month: month.period)
    if newest.period > test.period:
        raise DataError(
            f"{test.source}: holds {test.period}, but {newest.source} holds {newest.period}; "
            "test on a month after all that are trained on"
        )


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
    columns = [field for field in SCHEMA if field.name != TARGET]
    return pa.schema([*columns, pa.field(TARGET, pa.float64())])
