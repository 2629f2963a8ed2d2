"""The same recipe as the course's Prefect flow with MLflow: course_flow.py TRAIN TEST."""

import pickle
import sys
import tempfile
from pathlib import Path

import course_plain
import mlflow
import pandas as pd
import xgboost as xgb
from prefect import flow, task


@task(retries=3, retry_delay_seconds=2)
def read_trips(path: str) -> pd.DataFrame:
    """Read a month, and keep the trips of 1 to 60 minutes."""
    return course_plain.read_trips(path)


@task
def add_features(train: pd.DataFrame, test: pd.DataFrame) -> tuple:
    """Vectorize as a task."""
    return course_plain.vectorize(train, test)


@task(log_prints=True)
def train_best_model(x_train, x_test, y_train, y_test, vectorizer) -> xgb.Booster:
    """Train, and log params, metric, preprocessor and model."""
    with mlflow.start_run(), tempfile.TemporaryDirectory() as folder:
        mlflow.log_params(course_plain.PARAMS)
        booster, rmse = course_plain.fit(x_train, x_test, y_train, y_test)
        mlflow.log_metric("rmse", rmse)
        print(f"rmse={rmse:.4f}")
        preprocessor = Path(folder) / "preprocessor.b"
        preprocessor.write_bytes(pickle.dumps(vectorizer))
        mlflow.log_artifact(str(preprocessor), artifact_path="preprocessor")
        mlflow.xgboost.log_model(booster, name="models_mlflow")
    return booster


@flow
def main_flow(train_path: str, test_path: str) -> None:
    """Read, vectorize, train."""
    mlflow.set_experiment("nyc-taxi-experiment")
    train, test = read_trips(train_path), read_trips(test_path)
    train_best_model(*add_features(train, test))


if __name__ == "__main__":
    main_flow(*sys.argv[1:])
