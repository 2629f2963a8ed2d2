"""The baked project's functions, with neither Prefect nor MLflow: plain.py TRAIN... TEST."""

import sys
import tempfile
from pathlib import Path

from taxi_duration.kit.modelling import evaluation, fitting
from taxi_duration.kit.modelling.months import clean_month
from taxi_duration.model import TrainParams


def main(sources: list[str]) -> None:
    """Clean, fit and evaluate, and print the RMSE."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        *months, test = [clean_month(Path(source), source, folder) for source in sources]
        params = TrainParams()
        pipeline = fitting.fit_to_checkpoint(months, params, "memory", folder)
        found = evaluation.evaluate(pipeline, months, test, params)
    print(f"rmse={found.metrics['rmse']:.4f}")


if __name__ == "__main__":
    main(sys.argv[1:])
