"""What XGBoost asks for: how many rounds, and a device, the CPU or a GPU of CUDA."""

import json
from typing import Any

from .contract import TrainParams, make_estimator

# Rounds are chosen by so large a share of the rows, the newest.
VALIDATION_SHARE = 0.15
SEARCH_SPEED = 2
STOP_AFTER = 10


def is_xgboost(estimator: Any) -> bool:
    """Return whether an estimator is XGBoost, with rounds, engines, gains and devices."""
    return hasattr(estimator, "get_xgb_params")


def search_estimator(params: TrainParams, device: str) -> Any:
    """Make what looks for the number of rounds.

    Twice the learning rate needs about half of the rounds: the search costs half as much.
    """
    estimator = make_estimator(params)
    place(estimator, device)
    rate = estimator.get_params()["learning_rate"] or 0.3  # XGBoost's default
    return estimator.set_params(
        n_estimators=max(1, estimator.n_estimators // SEARCH_SPEED),
        learning_rate=min(1, rate * SEARCH_SPEED),
        early_stopping_rounds=STOP_AFTER,
    )


def rounds_for_all(best_iteration: int, most: int) -> int:
    """Return the rounds for all rows, a tenth more than for the older 85% of them."""
    return min(most, round((best_iteration + 1) * SEARCH_SPEED * 1.1))


def choose_device(device: str, engine: str) -> tuple[str, str]:
    """Return "cuda" or "cpu", and a sentence about it for the log.

    Raises ValueError if the device is "cuda" and cannot be used; "auto" takes the CPU then.
    """
    if device == "cpu":
        return "cpu", "Training on the CPU, as the settings say"
    fault = _fault(engine)
    if fault and device == "cuda":
        raise ValueError(f"device 'cuda': {fault}; make it 'auto' or 'cpu', or see docs/scale.md")
    return ("cpu", f"Training on the CPU: {fault}") if fault else ("cuda", "Training on the GPU")


def place(estimator: Any, device: str) -> None:
    """Put XGBoost on a device, fitted or not; any other estimator knows of none."""
    if is_xgboost(estimator):
        estimator.set_params(device=device)
        vars(estimator).pop("_create_dmatrix", None)
        if device == "cuda":
            # XGBoost's way for scikit-learn cuts the features of 17 million rows into steps on 16
            # cores, in 11 s; handed over uncut (1.5 s), the card cuts them, and whole fits take
            # half as long. Under another name XGBoost would go its own way again.
            estimator._create_dmatrix = _uncut


def _uncut(ref: Any, **rows: Any) -> Any:  # noqa: ARG001 XGBoost gives it
    import xgboost as xgb

    return xgb.DMatrix(**rows)


def _fault(engine: str) -> str:
    """Return why a GPU cannot be used, or ""."""
    if not is_xgboost(make_estimator(TrainParams())):
        return "only XGBoost trains on a GPU"
    if engine == "dask":
        return "the engine 'dask' trains on its workers' CPUs"
    import numpy as np
    import xgboost as xgb

    if not xgb.build_info()["USE_CUDA"]:
        return "this XGBoost is built without CUDA"
    # The one sound question, as it has the driver, the card and the kernels answer (0.1 s without
    # a GPU). Where there is none, XGBoost warns and trains on the CPU.
    matrix = xgb.DMatrix(np.zeros((1, 1)), label=np.zeros(1))
    try:
        with xgb.config_context(verbosity=0):
            trained = xgb.train({"device": "cuda"}, matrix, 1)
    except xgb.core.XGBoostError as error:
        return f"XGBoost cannot use the GPU ({str(error).split(chr(10))[0]})"
    used = json.loads(trained.save_config())["learner"]["generic_param"]["device"]
    return "" if used.startswith("cuda") else "no GPU is found"
