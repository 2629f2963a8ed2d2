"""Fits on a device, of cleaned months: device.py DEVICE FOLDER MONTHS.

The newest month of the folder is the test; MONTHS is how many of the others are trained on. Only
the project's modelling rooms are imported, which need neither Prefect nor MLflow.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xgboost as xgb
from taxi_duration.kit.modelling import boosting, fitting, months
from taxi_duration.model import PROBLEM, TrainParams

# The card's memory in use, ten times a second.
USED = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "-lms", "100"]


def timed(work: Callable[..., Any], spent: list[float]) -> Callable[..., Any]:
    """Return the function, with its seconds appended to a list."""

    def wrapped(*arguments: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return work(*arguments, **options)
        finally:
            spent.append(time.perf_counter() - start)

    return wrapped


def main(asked: str, folder: str, count: str) -> None:
    """Fit and test; print the seconds, those of XGBoost alone, the card's memory and the RMSE."""
    *train, test = sorted(Path(folder).glob("*.parquet"))
    device, where = boosting.choose_device(asked, "memory")
    trees: list[float] = []
    whole: list[float] = []
    xgb.XGBRegressor.fit = timed(xgb.XGBRegressor.fit, trees)
    with subprocess.Popen(USED, stdout=subprocess.PIPE, text=True) as card:
        fit = timed(fitting.fit, whole)
        pipeline = fit(train[-int(count) :], TrainParams(), "memory", device=device)
        card.terminate()
        used = [int(line) for line in card.communicate()[0].splitlines() if line.strip().isdigit()]
    X, y = months.read([test])
    rmse = PROBLEM.metrics(y.to_numpy(), PROBLEM.predict(pipeline, X))["rmse"]
    print(f"{where}\nfit={whole[0]:.2f}\ntrees={sum(trees):.2f}")
    print(f"rounds={pipeline[-1].n_estimators}\ncard={max(used) - used[0]:.1f}\nrmse={rmse:.4f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
