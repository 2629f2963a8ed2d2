"""XGBoost on rows in memory: their features are made once, and by as many threads as cores."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from functools import reduce
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from ..progress import rounds_bar
from .boosting import VALIDATION_SHARE, place, rounds_for_all, search_estimator
from .categories import Encode, Features
from .contract import TrainParams, build_features, make_estimator
from .pipeline import make_pipeline
from .target_encoding import GroupMeans

Item = TypeVar("Item")
Made = TypeVar("Made")
# What a thread has in hand at a time.
PART_ROWS = 250_000


class Part(NamedTuple):
    """Features and target of rows that follow each other, and the number of the first."""

    first_row: int
    X: pd.DataFrame
    y: pd.Series


def fit(X: pd.DataFrame, y: pd.Series, params: TrainParams, device: str) -> Pipeline:
    """Fit to raw rows in order of time, with the rounds that the newest 15% ask for."""
    split = int(len(y) * (1 - VALIDATION_SHARE))
    older = _make_parts(X, y, range(split))
    newest = _make_parts(X, y, range(split, len(y)))
    means = _learn(older)
    rounds = _choose_rounds(older, newest, means, params, device)
    means = _learn(newest, means)
    estimator = make_estimator(params)
    place(estimator, device)
    estimator.set_params(n_estimators=rounds, callbacks=[rounds_bar(rounds, "Fitting")])
    estimator.fit(_encode([*older, *newest], means.out_of_fold()), y)
    estimator.set_params(callbacks=None)  # no part of the model
    place(estimator, "cpu")  # where it predicts, whatever it was trained on
    return make_pipeline(estimator).set_params(means=means.finish())


def _choose_rounds(
    older: Sequence[Part],
    newest: Sequence[Part],
    means: GroupMeans,
    params: TrainParams,
    device: str,
) -> int:
    """Return after how many rounds the newest rows are predicted no better."""
    search, learnt = search_estimator(params, device), deepcopy(means).finish()
    train = _encode(older, means.out_of_fold()), _targets(older)
    test = _encode(newest, lambda X, _: learnt.transform(X)), _targets(newest)
    search.set_params(callbacks=[rounds_bar(search.n_estimators, "Choosing the rounds")])
    search.fit(*train, eval_set=[test], verbose=False)
    return rounds_for_all(search.best_iteration, make_estimator(params).n_estimators)


def _make_parts(X: pd.DataFrame, y: pd.Series, rows: range) -> list[Part]:
    """Make the features of some of the raw rows, in parts."""

    def make(part: range) -> Part:
        taken = slice(part.start, part.stop)
        return Part(part.start, build_features(X[taken]), y[taken])

    starts = range(0, len(rows), PART_ROWS)
    return _in_threads(make, [rows[start : start + PART_ROWS] for start in starts])


def _learn(parts: Sequence[Part], *before: GroupMeans) -> GroupMeans:
    """Return what these rows have to teach, and what was learnt before; `finish` ends it."""

    def learn(part: Part) -> GroupMeans:
        means: GroupMeans = make_pipeline(None)["means"].start()
        return means.add(part.X, part.y, part.first_row)

    return reduce(GroupMeans.merge, [*before, *_in_threads(learn, parts)])


def _encode(parts: Sequence[Part], encode: Encode) -> Features:
    """Return the rows encoded, of shape (n, features)."""
    return np.concatenate(_in_threads(lambda part: encode(part.X, part.first_row), parts))


def _targets(parts: Sequence[Part]) -> pd.Series:
    return pd.concat([part.y for part in parts])


def _in_threads(work: Callable[[Item], Made], items: Sequence[Item]) -> list[Made]:
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(work, items))
