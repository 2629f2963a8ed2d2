"""Fit a pipeline to cleaned months, in memory or by an engine."""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline

from ..files import CODE, refuse_edited_code, replacing, text_digest
from ..records import Month
from . import rows_in_memory
from .boosting import is_xgboost
from .contract import PROBLEM, TIME, TrainParams, make_estimator
from .months import read
from .pipeline import make_pipeline, refuse_untrusted, save

# Engines whose rows are not in memory, but on the disk or spread over the workers of a cluster.
MODULES = {"external": "external_memory", "dask": "dask_cluster"}

TRIAL_ROWS = 200


def choose_engine(engine: str, rows: int, memory_rows: int) -> str:
    """Return the engine for so many rows. Raises ValueError if it cannot be used here."""
    can_choose = is_xgboost(make_estimator(TrainParams())) and bool(TIME)
    if engine == "auto":
        large = rows > memory_rows and can_choose and _is_there("external")
        return "external" if large else "memory"
    if engine == "memory":
        return engine
    if engine not in MODULES:
        raise ValueError(f"engine '{engine}': not known; use auto, memory, {', '.join(MODULES)}")
    if not can_choose:
        raise ValueError(
            f"engine '{engine}': trains XGBoost only, on rows with a TIME; use 'memory'"
        )
    if not _is_there(engine):
        raise ValueError(f"engine '{engine}': this project has no module for it")
    if engine == "dask" and not find_spec("distributed"):
        advice = "`uv sync --group dask` (in clones: `uv add 'dask[array,distributed]'`)"
        raise ValueError(f"engine 'dask': needs dask; run {advice}")
    return engine


def fit_to_checkpoint(
    months: Sequence[Month],
    params: TrainParams,
    engine: str,
    folder: Path,
    scheduler: str = "",
    device: str = "cpu",
) -> Path:
    """Fit, and write the pipeline to a file in `folder` named after all that it depends on.

    The device is among it: the trees of a GPU are not quite those of a CPU.
    """
    refuse_edited_code()
    path = folder / f"pipeline-{text_digest(repr((CODE, months, params, engine, device)))}.skops"
    pipeline = fit([month.path for month in months], params, engine, folder, scheduler, device)
    with replacing(path) as temporary:
        save(pipeline, temporary)
    return path


def fit(
    paths: Sequence[Path],
    params: TrainParams,
    engine: str = "memory",
    folder: Path | None = None,
    scheduler: str = "",
    device: str = "cpu",
) -> Pipeline:
    """Fit to all rows of the months; every engine gives the same kind of pipeline.

    The engine "external" needs a folder for its pages; "dask" takes a scheduler's address.
    Raises ValueError, before the fit, if what model.py makes cannot be used or saved.
    """
    _check(make_estimator(params))
    if engine != "memory":
        module = import_module(f".engines.{MODULES[engine]}", __package__)
        return module.fit(paths, params, folder or Path(), scheduler, device)
    return fit_rows(*read(paths), params, device)


def fit_rows(X: pd.DataFrame, y: pd.Series, params: TrainParams, device: str = "cpu") -> Pipeline:
    """Fit to raw rows in order of time; XGBoost with the rounds that the newest 15% ask for."""
    if is_xgboost(make_estimator(params)):
        return rows_in_memory.fit(X, y, params, device)
    # Before the whole fit: what cannot be saved is not worth an hour.
    step = max(1, len(y) // TRIAL_ROWS)
    refuse_untrusted(make_pipeline(make_estimator(params)).fit(X[::step], y[::step]))
    return make_pipeline(make_estimator(params)).fit(X, y)


def _check(estimator: Any) -> None:
    """Raise ValueError if an estimator is not of the problem's kind, or of types not trusted."""
    if hasattr(estimator, "predict_proba") != bool(PROBLEM.classes):
        made, problem = type(estimator).__name__, type(PROBLEM).__name__
        raise ValueError(
            f"model.py: make_estimator makes a {made}, which is not for a {problem}; "
            "change it, or PROBLEM"
        )
    if is_xgboost(estimator):  # others are tried on a few rows: not fitted, they hold less
        refuse_untrusted(make_pipeline(estimator))


def _is_there(engine: str) -> bool:
    return Path(__file__).with_name("engines").joinpath(f"{MODULES[engine]}.py").exists()
