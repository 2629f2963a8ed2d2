"""The well-known course recipe as a plain script: course_plain.py TRAIN TEST."""

import sys

import pandas as pd
import xgboost as xgb
from sklearn.feature_extraction import DictVectorizer
from sklearn.metrics import root_mean_squared_error

PARAMS = {
    "learning_rate": 0.09585355369315604,
    "max_depth": 30,
    "min_child_weight": 1.060597050922164,
    "objective": "reg:squarederror",
    "reg_alpha": 0.018060244040060163,
    "reg_lambda": 0.011658731377413597,
    "seed": 42,
}
COLUMNS = ["PU_DO", "trip_distance"]


def read_trips(path: str) -> pd.DataFrame:
    """Read a month, and keep the trips of 1 to 60 minutes."""
    trips = pd.read_parquet(path)
    trips["duration"] = trips.lpep_dropoff_datetime - trips.lpep_pickup_datetime
    trips["duration"] = trips.duration.apply(lambda gap: gap.total_seconds() / 60)
    trips = trips[(trips.duration >= 1) & (trips.duration <= 60)].copy()
    zones = ["PULocationID", "DOLocationID"]
    trips[zones] = trips[zones].astype(str)
    trips["PU_DO"] = trips["PULocationID"] + "_" + trips["DOLocationID"]
    return trips


def vectorize(train: pd.DataFrame, test: pd.DataFrame) -> tuple:
    """One-hot columns for the pairs of zones, and the distance."""
    vectorizer = DictVectorizer(sparse=True)
    x_train = vectorizer.fit_transform(train[COLUMNS].to_dict(orient="records"))
    x_test = vectorizer.transform(test[COLUMNS].to_dict(orient="records"))
    return x_train, x_test, train["duration"].values, test["duration"].values, vectorizer


def fit(x_train, x_test, y_train, y_test) -> tuple[xgb.Booster, float]:
    """Train on the one month, stop early by the other; the booster and its RMSE."""
    test = xgb.DMatrix(x_test, label=y_test)
    booster = xgb.train(
        PARAMS,
        xgb.DMatrix(x_train, label=y_train),
        num_boost_round=100,
        evals=[(test, "validation")],
        early_stopping_rounds=50,
        verbose_eval=False,
    )
    return booster, root_mean_squared_error(y_test, booster.predict(test))


def main(train_path: str, test_path: str) -> None:
    """Train, and print the RMSE."""
    *arrays, _ = vectorize(read_trips(train_path), read_trips(test_path))
    _, rmse = fit(*arrays)
    print(f"rmse={rmse:.4f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
