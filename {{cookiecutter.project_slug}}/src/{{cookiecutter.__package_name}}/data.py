"""What the data are: their columns, the target, and bad rows (README, "Your own data")."""

import pandas as pd
import pyarrow as pa

PICKUP = "lpep_pickup_datetime"
DROPOFF = "lpep_dropoff_datetime"

# The column with the time of a row, which says its period; None if only files' names say that.
TIME = PICKUP

# The period: models are tested on one, and files are named by it: "month", "week" or "day".
PERIOD = "month"

# What is predicted: a column that `clean` adds, or a raw one that is in SCHEMA, LABELS and
# REQUIRED. In which unit, model.py says.
TARGET = "duration"

# What a row is called in reports.
NOUN = "trips"

# The raw columns that are read, with the types they are cast to: timestamp("us") for times,
# int64 or float64 for numbers (and true or false), string for texts. Times with a zone are read
# from a clock of that zone; for spans across its changes give them in UTC.
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

# The columns that only the target needs; a month to predict may lack them.
LABELS = (DROPOFF,)

# Columns without nulls; a row that lacks one is dropped.
REQUIRED = (PICKUP, DROPOFF, "PULocationID", "DOLocationID")

# The known values of columns, from and to; a row with others is dropped (nulls are not others).
RANGES: dict[str, tuple[float, float]] = {
    "PULocationID": (1, 265),
    "DOLocationID": (1, 265),
}

# The share of dropped rows above which a month is refused.
MAX_DROPPED_SHARE = 0.2

MIN_MINUTES, MAX_MINUTES = 1, 60


def clean(trips: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, pd.Series]]:
    """Add the target, and say which rows to drop.

    Returns all rows with the target, and by reason which of them are bad. What REQUIRED and RANGES
    say, and rows of other months, is seen to already.
    """
    minutes = (trips[DROPOFF] - trips[PICKUP]).dt.total_seconds() / 60
    return trips.assign(duration=minutes), {
        f"shorter than {MIN_MINUTES} minute": minutes < MIN_MINUTES,
        f"longer than {MAX_MINUTES} minutes": minutes > MAX_MINUTES,
    }
