"""Learnt means of groups, out of fold: a target encoder made of sums, so that it streams."""

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

Floats = NDArray[np.float64]
Features = NDArray[np.float32]
Encode = Callable[[pd.DataFrame, int], Features]
"""What encodes a batch, whose first row has this number among all."""


class GroupMeans(TransformerMixin, BaseEstimator):
    """Put in place of each group the mean target of its rows, and their mean target per `per`.

    Means are shrunk towards the overall mean by `prior_rows` rows (Micci-Barreca 2001). Learn with
    `fit_transform`: it gives each row the means of the other folds' rows, so that no row sees its
    own target.

    Parameters: `groups` maps features that hold codes 0, 1, ... to the number of codes; `per` names
    the feature to divide by, or is None.
    """

    def __init__(
        self,
        groups: Mapping[str, int],
        per: str | None = None,
        prior_rows: float = 1.0,
        folds: int = 5,
    ) -> None:
        self.groups = groups
        self.per = per
        self.prior_rows = prior_rows
        self.folds = folds

    def fit(self, X: pd.DataFrame, y: Any) -> Self:
        """Learn from features X of shape (n, features) and target y of shape (n,)."""
        return self.start().add(X, y).finish()

    def fit_transform(self, X: pd.DataFrame, y: Any) -> Features:
        """Learn, and give the rows the means of the other folds."""
        encoded = self.start().add(X, y).out_of_fold()(X, 0)
        self.finish()
        return encoded

    def transform(self, X: pd.DataFrame) -> Features:
        """Give rows the means that were learnt, in the order of `get_feature_names_out`."""
        return self._append(X, [self.means_[name][:, _codes(X, name)] for name in self.groups])

    def get_feature_names_out(self, _: Any = None) -> list[str]:
        """Names of the columns that `transform` gives."""
        means = ["mean", "per"] if self.per else ["mean"]
        return [*self.numbers_, *(f"{name}_{mean}" for name in self.groups for mean in means)]

    def start(self) -> Self:
        """Begin to learn in batches: start, add each of them, finish."""
        shapes = {name: (self._statistics, self.folds, size) for name, size in self.groups.items()}
        self.sums_ = {name: np.zeros(shape) for name, shape in shapes.items()}
        return self

    def add(self, X: pd.DataFrame, y: Any, first_row: int = 0) -> Self:
        """Learn from a batch, whose rows are numbered from `first_row` on among all."""
        fold = self._fold(first_row, len(X))
        values = self._values(X, np.asarray(y, dtype=float))
        for name, size in self.groups.items():
            cell = fold * size + _codes(X, name)
            for i, value in enumerate(values):
                sums = np.bincount(cell, value, self.folds * size)
                self.sums_[name][i] += sums.reshape(self.folds, size)
        self.numbers_ = [str(name) for name in X.columns if name not in self.groups]
        return self

    def merge(self, other: "GroupMeans") -> Self:
        """Learn what another one learnt from other batches."""
        for name, sums in other.sums_.items():
            self.sums_[name] += sums
        self.numbers_ = other.numbers_
        return self

    def out_of_fold(self) -> Encode:
        """What gives batches that were added the means of the other folds; ask before `finish`."""
        others = {}
        for name, sums in self.sums_.items():
            rest = sums.sum(axis=1, keepdims=True) - sums
            others[name] = self._means(rest, rest.sum(axis=2, keepdims=True))

        def encode(X: pd.DataFrame, first_row: int) -> Features:
            fold = self._fold(first_row, len(X))
            return self._append(X, [others[name][:, fold, _codes(X, name)] for name in others])

        return encode

    def finish(self) -> Self:
        """End learning in batches."""
        self.means_ = {}
        for name, folds in self.sums_.items():
            sums = folds.sum(axis=1)
            self.means_[name] = self._means(sums, sums.sum(axis=1, keepdims=True))
        del self.sums_
        return self

    @property
    def _statistics(self) -> int:
        return 5 if self.per else 2

    def _fold(self, first_row: int, rows: int) -> NDArray[np.int64]:
        return np.arange(first_row, first_row + rows) % self.folds

    def _values(self, X: pd.DataFrame, y: Floats) -> list[Floats]:
        """What is summed: rows and their target; the same where `per` is known, and `per`."""
        if self.per is None:
            return [np.ones(len(y)), y]
        per = X[self.per].to_numpy(float)
        known = ~np.isnan(per)
        return [np.ones(len(y)), y, known.astype(float), y * known, np.where(known, per, 0)]

    def _means(self, sums: Floats, totals: Floats) -> Features:
        """From sums (statistic, ..., n) of groups, and of all of them, to their means, shrunk."""
        prior = self.prior_rows
        # With so few rows that a fold has no others, nothing is learnt: 0.
        overall = totals[1] / np.maximum(totals[0], 1)
        means = [(sums[1] + prior * overall) / (sums[0] + prior)]
        if self.per:
            mean = totals[3:] / np.maximum(totals[2], 1)
            units = sums[4] + prior * mean[1]
            means.append((sums[3] + prior * mean[0]) / np.where(units == 0, np.nan, units))
        return np.stack(means).astype(np.float32)

    def _append(self, X: pd.DataFrame, encoded: list[Features]) -> Features:
        columns = [X[name].to_numpy() for name in self.numbers_]
        columns += [column for means in encoded for column in means]
        # Row by row in memory, as XGBoost reads it.
        appended = np.empty((len(X), len(columns)), np.float32)
        for i, column in enumerate(columns):
            appended[:, i] = column
        return appended


def _codes(X: pd.DataFrame, name: str) -> NDArray[np.int64]:
    return X[name].to_numpy(np.int64)
