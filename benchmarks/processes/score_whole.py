"""The champion over a whole month at once, as one writes it first: score_whole.py MONTH OUT."""

import sys

import mlflow
import pandas as pd

REQUIRED = ["lpep_pickup_datetime", "PULocationID", "DOLocationID"]


def main(source: str, out: str) -> None:
    """Read, predict and write."""
    trips = pd.read_parquet(source).dropna(subset=REQUIRED)
    model = mlflow.sklearn.load_model("models:/taxi-duration@champion")
    trips["prediction"] = model.predict(trips)
    trips.to_parquet(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
