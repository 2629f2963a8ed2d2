"""Search for better params: the space, what to try next, and how a trial is measured."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from pydantic import BaseModel

from . import data, training
from .checkpoints import code_digests, text_digest
from .evaluation import evaluate
from .training import TrainParams

SPACE: dict[str, BaseDistribution] = {
    "learning_rate": FloatDistribution(0.03, 0.3, log=True),
    "max_depth": IntDistribution(4, 14),
    "min_child_weight": FloatDistribution(1, 100, log=True),
    "reg_lambda": FloatDistribution(0.1, 100, log=True),
    "subsample": FloatDistribution(0.5, 1),
    "colsample_bytree": FloatDistribution(0.4, 1),
    "max_rounds": IntDistribution(50, 300),
}
"""Which params are tried, and from where to where; the others stay as they are."""

RANDOM_TRIALS = 6
"""The first ones, which the others learn from."""

CODE = ("data.py", "encoding.py", "features.py", "parquet.py", "training.py", "tuning.py")


class Trial(BaseModel):
    """Params that were tried, and their RMSE on the newest of the training rows."""

    number: int
    params: TrainParams
    rmse: float


def next_params(number: int, done: Sequence[Trial]) -> TrainParams:
    """The params for a trial, learnt from those that are done; trial 0 has the default ones."""
    if number == 0:
        return TrainParams()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Trials lie in MLflow: no state of Optuna's outlives this function, or can be lost.
    sampler = optuna.samplers.TPESampler(n_startup_trials=RANDOM_TRIALS, seed=number)
    study = optuna.create_study(sampler=sampler)
    for trial in done:
        params = trial.params.model_dump(include={*SPACE})
        with suppress(ValueError):  # the default ones may lie outside of SPACE
            tried = optuna.create_trial(params=params, distributions=SPACE, value=trial.rmse)
            study.add_trial(tried)
    return TrainParams(**study.ask(SPACE).params)


def measure(paths: Sequence[Path], params: TrainParams, threads: int) -> float:
    """RMSE on the last 15% of the rows by time, of a pipeline that is fitted to those before."""
    import xgboost

    X, y = data.read(paths)
    split = int(len(y) * (1 - training.VALIDATION_SHARE))
    with xgboost.config_context(nthread=threads):
        pipeline = training.fit_rows(X[:split], y[:split], params)
        return evaluate(y[split:], pipeline.predict(X[split:])).rmse


def search_key(months: Sequence[data.Month]) -> str:
    """What two searches have in common if one may go on with the trials of the other."""
    return text_digest(repr((code_digests(*CODE), [month.digest for month in months])))
