"""What the model sees: from raw columns to features (README, "Your own data")."""

import numpy as np
import pandas as pd

from .data import TIME

# The features that are categories: whole numbers or texts, as they come. The model sees the mean
# target of each category, which is learnt; one that was never seen counts as average.
GROUPS = ("pickup", "dropoff", "pair", "either_way")

# The mean of target / this feature is learnt for each category as well: minutes per mile.
# None: no such feature.
PER: str | None = "distance"

# Features that differ from season to season, such as the temperature: `monitor` reports
# their drift, and asks for no retraining because of it.
SEASONAL: tuple[str, ...] = ()

# Larger than any zone's number, so that two of them make one number.
ZONES = 1_000
MAX_MILES = 100
MAX_CODE = 99


def build_features(trips: pd.DataFrame) -> pd.DataFrame:
    """Build the features of shape (n, 11); each row by itself, so that nothing leaks."""
    time = trips[TIME].dt
    pickup, dropoff = trips["PULocationID"], trips["DOLocationID"]
    # Known only after the trip: to predict before it, put an estimate in its place.
    miles = trips["trip_distance"]
    return pd.DataFrame(
        {
            "pickup": pickup,
            "dropoff": dropoff,
            "pair": pickup * ZONES + dropoff,
            "either_way": np.minimum(pickup, dropoff) * ZONES + np.maximum(pickup, dropoff),
            # As numbers too: neighbouring ids are often neighbouring zones.
            "pickup_id": pickup,
            "dropoff_id": dropoff,
            # Zero and slips of the odometer mean unknown.
            "distance": miles.where((miles > 0) & (miles <= MAX_MILES)),
            "minute_of_day": time.hour * 60 + time.minute,
            "weekday": time.day_of_week,
            "vendor": _code(trips, "VendorID"),
            "trip_type": _code(trips, "trip_type"),
        }
    )


def _code(trips: pd.DataFrame, name: str) -> pd.Series:
    """Return an optional column of small codes; nulls where it is missing or odd."""
    codes = trips.get(name, pd.Series(np.nan, trips.index))
    return codes.where(codes.between(0, MAX_CODE))
