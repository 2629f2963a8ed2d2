"""Fit a pipeline to cleaned months, in memory or by an engine."""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..files import CODE, refuse_edited_code, replacing, text_digest
from ..records import Month
from .contract import TrainParams, make_estimator

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

# Where the training rows are: in memory, on the disk, or spread over the workers of a cluster.
Engine = Literal["memory", "external", "dask"]
MODULES = {"external": "external_memory", "dask": "dask_cluster"}

VALIDATION_SHARE = 0.15
SEARCH_SPEED = 2
STOP_AFTER = 10
TRIAL_ROWS = 200


def choose_engine(engine: str, rows: int, memory_rows: int) -> str:
    """Return the engine for so many rows. Raises ValueError if it cannot be used here."""
    is_xgboost = _has_rounds(make_estimator(TrainParams()))
    if engine == "auto":
        large = rows > memory_rows and is_xgboost and _is_there("external")
        return "external" if large else "memory"
    for known in get_args(Engine):
        if engine == known == "memory":
            return known
        if engine == known:
            if not is_xgboost:
                raise ValueError(f"engine '{engine}': trains XGBoost only; use 'memory'")
            if not _is_there(engine):
                raise ValueError(f"engine '{engine}': this project has no module for it")
            if engine == "dask" and not find_spec("distributed"):
                raise ValueError("engine 'dask': needs dask; install it: uv sync --group dask")
            return known
    raise ValueError(f"engine '{engine}': not known; use auto, {', '.join(get_args(Engine))}")


def fit_to_checkpoint(
    months: Sequence[Month], params: TrainParams, engine: str, folder: Path, scheduler: str = ""
) -> Path:
    """Fit, and write the pipeline to a file in `folder` named after all that it depends on."""
    from .pipeline import save

    refuse_edited_code()
    path = folder / f"pipeline-{text_digest(repr((CODE, months, params, engine)))}.skops"
    pipeline = fit([month.path for month in months], params, engine, folder, scheduler)
    with replacing(path) as temporary:
        save(pipeline, temporary)
    return path


def fit(
    paths: Sequence[Path],
    params: TrainParams,
    engine: str = "memory",
    folder: Path | None = None,
    scheduler: str = "",
) -> "Pipeline":
    """Fit to all rows of the months; every engine gives the same kind of pipeline.

    The engine "external" needs a folder for its pages; "dask" takes a scheduler's address.
    """
    if engine != "memory":
        module = import_module(f".engines.{MODULES[engine]}", __package__)
        return module.fit(paths, params, folder or Path(), scheduler)
    from .months import read

    return fit_rows(*read(paths), params)


def fit_rows(X: "pd.DataFrame", y: "pd.Series", params: TrainParams) -> "Pipeline":
    """Fit to raw rows in order of time; XGBoost with the rounds that the newest 15% ask for."""
    from ..progress import rounds_bar
    from .pipeline import make_pipeline, refuse_untrusted

    estimator = make_estimator(params)
    if not _has_rounds(estimator):
        # Before the whole fit: what cannot be saved is not worth an hour.
        step = max(1, len(y) // TRIAL_ROWS)
        refuse_untrusted(make_pipeline(make_estimator(params)).fit(X[::step], y[::step]))
        return make_pipeline(estimator).fit(X, y)
    rounds = _choose_rounds(X, y, params)
    estimator.set_params(n_estimators=rounds, callbacks=[rounds_bar(rounds, "Fitting")])
    pipeline = make_pipeline(estimator).fit(X, y)
    estimator.set_params(callbacks=None)  # no part of the model
    return pipeline


def _choose_rounds(X: "pd.DataFrame", y: "pd.Series", params: TrainParams) -> int:
    """Return after how many rounds the newest rows are predicted no better."""
    from ..progress import rounds_bar
    from .pipeline import make_pipeline

    split = int(len(y) * (1 - VALIDATION_SHARE))
    search = search_estimator(params)
    encoder = make_pipeline(search)[:-1]
    train = encoder.fit_transform(X[:split], y[:split])
    newest = (encoder.transform(X[split:]), y[split:])
    search.set_params(callbacks=[rounds_bar(search.n_estimators, "Choosing the rounds")])
    search.fit(train, y[:split], eval_set=[newest], verbose=False)
    return rounds_for_all(search.best_iteration, make_estimator(params).n_estimators)


def search_estimator(params: TrainParams) -> Any:
    """Make what looks for the number of rounds.

    Twice the learning rate needs about half of the rounds: the search costs half as much.
    """
    estimator = make_estimator(params)
    rate = estimator.get_params()["learning_rate"] or 0.3  # XGBoost's default
    return estimator.set_params(
        n_estimators=max(1, estimator.n_estimators // SEARCH_SPEED),
        learning_rate=min(1, rate * SEARCH_SPEED),
        early_stopping_rounds=STOP_AFTER,
    )


def rounds_for_all(best_iteration: int, most: int) -> int:
    """Return the rounds for all rows, a tenth more than for the older 85% of them."""
    return min(most, round((best_iteration + 1) * SEARCH_SPEED * 1.1))


def _has_rounds(estimator: Any) -> bool:
    """Return whether an estimator is XGBoost, with rounds, engines and gains."""
    return hasattr(estimator, "get_xgb_params")


def _is_there(engine: str) -> bool:
    return Path(__file__).with_name("engines").joinpath(f"{MODULES[engine]}.py").exists()
