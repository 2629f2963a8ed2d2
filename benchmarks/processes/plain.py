"""The baked project's functions, with neither Prefect nor MLflow: plain.py TRAIN... TEST."""

import sys
import tempfile
from pathlib import Path

from taxi_duration import data, training
from taxi_duration.evaluation import evaluate_pipeline


def main(sources: list[str]) -> None:
    """Clean, fit and evaluate, and print the RMSE."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        *months, test = [data.clean_month(Path(source), source, folder) for source in sources]
        paths = [month.path for month in months]
        pipeline = training.fit(paths, training.TrainParams())
        evaluation = evaluate_pipeline(pipeline, paths, test.path, folder / "predictions.parquet")
    print(f"rmse={evaluation.metrics.rmse:.4f}")


if __name__ == "__main__":
    main(sys.argv[1:])
