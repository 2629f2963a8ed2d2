"""From raw columns to features, and the scikit-learn pipeline around them.

To use data of your own, change the constants and `build_features`.
"""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, TargetEncoder

from .data import PICKUP

PLACES = ["pickup_zone", "dropoff_zone", "zone_pair"]
"""Categories that are replaced by the mean duration of their trips."""

NUMBERS = ["pu", "do", "distance", "minute_of_day", "weekday", "vendor", "trip_type"]
MAX_MILES = 100
ZONES = 1000
"""More than the highest zone id, so that a pair of zones fits into one number."""


def build_features(trips: pd.DataFrame) -> pd.DataFrame:
    """Features of shape (n, 10) from raw trips; each row by itself, so nothing can leak."""
    pickup = trips[PICKUP]
    pu, do = trips["PULocationID"].astype(float), trips["DOLocationID"].astype(float)
    # Known only after the trip: to predict before it, put an estimate in its place.
    miles = trips["trip_distance"].astype(float)
    return pd.DataFrame(
        {
            "pickup_zone": pu,
            "dropoff_zone": do,
            "zone_pair": pu * ZONES + do,
            "pu": pu,
            "do": do,
            "distance": miles.where(miles.between(0, MAX_MILES, inclusive="right")),
            "minute_of_day": pickup.dt.hour * 60.0 + pickup.dt.minute,
            "weekday": pickup.dt.day_of_week.astype(float),
            "vendor": trips["VendorID"].astype(float),
            "trip_type": trips["trip_type"].astype(float),
        }
    )


def make_pipeline(regressor: Any) -> Pipeline:
    """Raw trips -> features -> encoded places -> minutes."""
    folds = KFold(5, shuffle=True, random_state=42)
    encoder = TargetEncoder(target_type="continuous", cv=folds)
    columns = ColumnTransformer([("places", encoder, PLACES), ("numbers", "passthrough", NUMBERS)])
    return Pipeline(
        [
            ("features", FunctionTransformer(build_features)),
            ("encode", columns.set_output(transform="default")),
            ("regressor", regressor),
        ]
    )


def importance(pipeline: Pipeline) -> dict[str, float]:
    """Each feature's share of the gain of all splits."""
    names = [name.split("__", 1)[1] for name in pipeline[:-1].get_feature_names_out()]
    return dict(zip(names, map(float, pipeline[-1].feature_importances_), strict=True))
