"""What the engines have in common: a fit whose rows come in parts, and are split by time."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from sklearn.pipeline import Pipeline
from xgboost import Booster

from ...locations import DataError
from ..boosting import VALIDATION_SHARE, place, rounds_for_all, search_estimator
from ..contract import INPUTS, PROBLEM, TARGET, TIME, TrainParams, build_features, make_estimator
from ..parts import Part, parts_of, read, sample
from ..pipeline import make_pipeline
from ..problems import Floats
from ..target_encoding import GroupMeans


class Span(NamedTuple):
    """The rows from one time on and before another; None: without an end."""

    start: pd.Timestamp | None = None
    end: pd.Timestamp | None = None


# How an engine trains as an estimator says on the rows of a span, stopped early by another's rows:
# it returns the means that were learnt of these rows, and the trees.
Train = Callable[[Any, Sequence[Part], Span, Span | None], tuple[GroupMeans, Booster]]


def fit(paths: Sequence[Path], params: TrainParams, train: Train, device: str) -> Pipeline:
    """Fit to all rows of the months, with as many rounds as the newest 15% of them ask for."""
    parts = parts_of(paths)
    estimator = make_estimator(params)
    place(estimator, device)
    estimator.set_params(n_estimators=_choose_rounds(parts, params, train, device))
    means, booster = train(estimator, parts, Span(), None)
    estimator.load_model(booster.save_raw("ubj"))
    place(estimator, "cpu")  # where it predicts, whatever it was trained on
    return make_pipeline(estimator).set_params(means=means)


def _choose_rounds(parts: Sequence[Part], params: TrainParams, train: Train, device: str) -> int:
    # A function of its own, so that the trees go at its end: with them XGBoost keeps 40 B a row.
    newest = _newest_from(parts)
    search = search_estimator(params, device)
    _, booster = train(search, parts, Span(end=newest), Span(start=newest))
    return rounds_for_all(booster.best_iteration, make_estimator(params).n_estimators)


def training_options(estimator: Any) -> dict[str, Any]:
    """Return an estimator's params as xgboost.train, and its twin for dask, take them."""
    params = estimator.get_xgb_params()
    if len(PROBLEM.classes) > 2:  # noqa: PLR2004 two classes are one question
        params |= {"objective": "multi:softprob", "num_class": len(PROBLEM.classes)}
    return {
        "params": params,
        "num_boost_round": estimator.n_estimators,
        "early_stopping_rounds": estimator.early_stopping_rounds,
        "verbose_eval": False,
    }


def learn_means(parts: Sequence[Part], span: Span) -> GroupMeans:
    """Return what the rows of a span have to teach; `finish` ends it."""
    means: GroupMeans = make_pipeline(None)["means"].start()
    for part in parts:
        means.add(*read_features(part, span), part.first_row)
    return means


def read_features(part: Part, span: Span) -> tuple[pd.DataFrame, Floats]:
    """Return features and target, of shape (n,), of a part's rows that lie in a span."""
    rows = read(part, [*INPUTS.names, TARGET])
    if span.start is not None:
        rows = rows[rows[TIME] >= span.start]
    if span.end is not None:
        rows = rows[rows[TIME] < span.end]
    return build_features(rows), rows[TARGET].to_numpy()


def _newest_from(parts: Sequence[Part]) -> pd.Timestamp:
    """Return the time that the newest 15% of the rows begin at, by a sample of them."""
    times = sample(parts, [TIME])[TIME].sort_values(ignore_index=True)
    later = times[times > times[0]]
    if later.empty:
        raise DataError(f"{TIME}: is {times[0]} in all rows; train with the engine 'memory'")
    return max(times[int(len(times) * (1 - VALIDATION_SHARE))], later.iloc[0])
