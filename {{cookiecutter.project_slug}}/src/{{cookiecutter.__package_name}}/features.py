"""From raw columns to features, and the scikit-learn pipeline around them.

To use data of your own, change the constants and `build_features`.
"""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from .data import TIME
from .encoding import GroupMeans

ZONES = 266
"""The taxi zones are 1 to 265; 0 stands for one that is missing or unknown."""

GROUPS: dict[str, int] = {
    "pickup": ZONES,
    "dropoff": ZONES,
    "pair": ZONES**2,
    "either_way": ZONES**2,
}
"""Features that are codes of categories, with the number of codes: their mean target is learnt.

Codes are whole numbers from 0; `build_features` makes them, of texts too.
"""

PER: str | None = "distance"
"""The mean of target / this feature is learnt as well: minutes per mile. None: no such feature."""

MAX_MILES = 100


def build_features(trips: pd.DataFrame) -> pd.DataFrame:
    """Features of shape (n, 11) from raw trips; each row by itself, so nothing can leak."""
    time = trips[TIME].dt
    pickup, dropoff = _zone(trips["PULocationID"]), _zone(trips["DOLocationID"])
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
            # Zero and odometer slips mean unknown.
            "distance": miles.where((miles > 0) & (miles <= MAX_MILES)),
            "minute_of_day": time.hour * 60 + time.minute,
            "weekday": time.day_of_week,
            "vendor": _code(trips, "VendorID"),
            "trip_type": _code(trips, "trip_type"),
        }
    ).astype("float32")


def make_pipeline(regressor: Any) -> Pipeline:
    """Raw rows -> features -> learnt means of the groups -> target."""
    return Pipeline(
        [
            ("features", FunctionTransformer(build_features)),
            ("means", GroupMeans(GROUPS, PER)),
            ("regressor", regressor),
        ]
    )


def importance(pipeline: Pipeline) -> dict[str, float]:
    """Each feature's share of the gain of all splits."""
    names = pipeline["means"].get_feature_names_out()
    return dict(zip(names, map(float, pipeline[-1].feature_importances_), strict=True))


def _zone(ids: pd.Series) -> pd.Series:
    return ids.where(ids.between(1, ZONES - 1), 0)


def _code(trips: pd.DataFrame, name: str) -> "pd.Series | float":
    """An optional column of small codes, as a number; XGBoost refuses infinite ones."""
    return trips[name].where(trips[name].between(0, 99)) if name in trips else np.nan
