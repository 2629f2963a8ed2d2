"""Make the sample months of data/ again, in a project: python .../make_months.py data.

Synthetic trips with the columns of New York's green taxis. One seed makes the world (zones, their
popularity, the streets' speed), another each month, so a month is the same wherever it is made.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

SAMPLE = ("2024-01", "2024-02", "2024-03")
ROWS = 10_000
ZONES = 260
SEED = 2024


def make_month(month: str, rows: int = ROWS, speed: float = 1.0, seed: int = SEED) -> pa.Table:
    """Trips of a month (yyyy-mm) in the world of a seed; `speed` above 1 makes them quicker."""
    world = np.random.default_rng(seed)
    x, y = world.uniform(0, 12, (2, ZONES))
    popularity = world.dirichlet(np.full(ZONES, 0.3))
    zone_speed = world.lognormal(0, 0.15, ZONES)

    rng = np.random.default_rng([seed, int(month.replace("-", ""))])
    pu = rng.choice(ZONES, rows, p=popularity)
    # People go where many go, and seldom far.
    distances = np.hypot(x[:, None] - x, y[:, None] - y)
    gravity = popularity * np.exp(-distances / 2.5)
    reach = np.cumsum(gravity, axis=1)
    do = np.array(
        [
            np.searchsorted(reach[a], u * reach[a, -1])
            for a, u in zip(pu, rng.random(rows), strict=True)
        ]
    )
    days = pd.Period(month).days_in_month
    hours = np.clip(rng.normal(15, 5, rows) % 24, 0, 23.999)
    pickup = np.datetime64(month, "us") + (
        (rng.integers(0, days, rows) * 24 + hours) * 3600e6
    ).astype("timedelta64[us]")
    weekday = (pickup.astype("M8[D]").view("int64") + 3) % 7

    miles = np.maximum(distances[pu, do], 0.4) * rng.lognormal(0.2, 0.15, rows)
    rush = 1 - 0.35 * np.exp(-((hours - 17.5) ** 2) / 6) - 0.25 * np.exp(-((hours - 8.5) ** 2) / 4)
    rush = np.where(weekday >= 5, 1.05, rush)
    mph = 16 * speed * rush * np.sqrt(zone_speed[pu] * zone_speed[do])
    minutes = 2 + 60 * miles / mph * rng.lognormal(0, 0.25, rows)

    # The dirt of every real month: no duration, far too long a one, no distance, no dispatch type.
    minutes[rng.random(rows) < 0.02] = 0.2
    minutes[rng.random(rows) < 0.01] += 1400
    miles[rng.random(rows) < 0.025] = 0
    dispatched = rng.random(rows) < 0.06
    order = np.argsort(pickup, kind="stable")
    fare = 3 + 2.5 * miles + 0.5 * minutes
    tip = np.where(rng.random(rows) < 0.5, 0.2 * fare, 0)
    columns = {
        "VendorID": rng.choice([1, 2], rows, p=[0.13, 0.87]),
        "lpep_pickup_datetime": pickup,
        "lpep_dropoff_datetime": pickup + (minutes * 60).astype("timedelta64[s]"),
        "store_and_fwd_flag": pa.array(["N"] * rows, mask=dispatched),
        "RatecodeID": np.where(dispatched, np.nan, 1),
        "PULocationID": pu + 1,
        "DOLocationID": do + 1,
        "passenger_count": np.where(dispatched, np.nan, rng.choice([1, 2, 5], rows)),
        "trip_distance": miles.round(2),
        "fare_amount": fare.round(2),
        "extra": np.full(rows, 0.5),
        "mta_tax": np.full(rows, 0.5),
        "tip_amount": tip.round(2),
        "tolls_amount": np.zeros(rows),
        "ehail_fee": pa.nulls(rows),
        "improvement_surcharge": np.full(rows, 1.0),
        "total_amount": (fare + tip + 2).round(2),
        "payment_type": np.where(dispatched, np.nan, 1),
        "trip_type": np.where(dispatched, np.nan, 1),
        "congestion_surcharge": np.where(dispatched, np.nan, 0.0),
    }
    table = pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})
    return table.take(pa.array(order))


def main(folder: Path) -> None:
    """Write the sample months."""
    for month in SAMPLE:
        pq.write_table(make_month(month), folder / f"trips_{month}.parquet", compression="zstd")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
