"""Learnt means of categories, out of fold: a target encoder made of sums, so that it streams.

One class, and so the longest file of the kit: all of its methods share what they sum.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from . import categories
from .categories import Encode, Features
from .problems import Floats


class GroupMeans(TransformerMixin, BaseEstimator):
    """Replace each category by the mean target of its rows, and their mean target per `per`.

    Means are shrunk towards the overall mean by `prior_rows` rows (Micci-Barreca 2001); a category
    that was never seen counts as average, a missing one as a category of its own. Learn with
    `fit_transform`: it gives each row the means of the other folds' rows, so that no row sees its
    own target.

    Parameters: `groups` names the features that hold categories, whole numbers or texts; `per` the
    feature to divide by, or None; with `classes` above 2, each class has a mean, its share.
    """

    def __init__(
        self,
        groups: Sequence[str] = (),
        per: str | None = None,
        classes: int = 0,
        prior_rows: float = 1.0,
        folds: int = 5,
    ) -> None:
        self.groups = groups
        self.per = per
        self.classes = classes
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
        encoded = [self.means_[name][:, self._codes(X, name)] for name in self.groups]
        return self._append(X, encoded)

    def get_feature_names_out(self, _: Any = None) -> list[str]:
        """Return the names of the columns that `transform` gives."""
        many = self.classes > 2  # noqa: PLR2004 two classes are one number
        means = [f"share_{i}" for i in range(self.classes)] if many else ["mean"]
        means += ["per"] if self.per else []
        return [*self.numbers_, *(f"{name}_{mean}" for name in self.groups for mean in means)]

    def start(self) -> Self:
        """Begin to learn in batches: start, add each of them, finish."""
        self.levels_: dict[str, Any] = {}
        self.sums_: dict[str, Floats] = {}
        return self

    def add(self, X: pd.DataFrame, y: Any, first_row: int = 0) -> Self:
        """Learn from a batch, whose rows are numbered from `first_row` on among all."""
        fold = self._fold(first_row, len(X))
        values = self._values(X, np.asarray(y, dtype=float))
        for name in self.groups:
            levels = self.levels_.get(name, categories.NO_LEVELS)
            sums = self.sums_.get(name, np.zeros((len(values), self.folds, 2)))
            codes, found = categories.read_categories(X, name)
            levels, sums = categories.grow(name, levels, sums, found)
            self.levels_[name], self.sums_[name] = levels, sums
            cells = fold * sums.shape[2] + categories.codes_of(codes, found, levels)
            for i, value in enumerate(values):
                sums[i] += np.bincount(cells, value, sums[i].size).reshape(sums[i].shape)
        self.numbers_ = [str(name) for name in X.columns if name not in self.groups]
        return self

    def merge(self, other: "GroupMeans") -> Self:
        """Learn what another one learnt from other batches."""
        for name, sums in other.sums_.items():
            learnt = other.levels_[name]
            levels, own = categories.grow(name, self.levels_[name], self.sums_[name], learnt)
            own[..., categories.places_of(learnt, levels)] += sums
            self.levels_[name], self.sums_[name] = levels, own
        self.numbers_ = other.numbers_
        return self

    def out_of_fold(self) -> Encode:
        """Return what gives batches that were added the means of the other folds.

        To be called before `finish`.
        """
        others = {}
        for name, sums in self.sums_.items():
            rest = sums.sum(axis=1, keepdims=True) - sums
            others[name] = self._means(rest, rest.sum(axis=2, keepdims=True))

        def encode(X: pd.DataFrame, first_row: int) -> Features:
            fold = self._fold(first_row, len(X))
            encoded = [others[name][:, fold, self._codes(X, name)] for name in others]
            return self._append(X, encoded)

        return encode

    def finish(self) -> Self:
        """End learning in batches."""
        self.means_ = {}
        for name, folds in self.sums_.items():
            sums = folds.sum(axis=1)
            self.means_[name] = self._means(sums, sums.sum(axis=1, keepdims=True))
        del self.sums_
        return self

    def _codes(self, X: pd.DataFrame, name: str) -> NDArray[np.int64]:
        return categories.codes_of(*categories.read_categories(X, name), self.levels_[name])

    def _fold(self, first_row: int, rows: int) -> NDArray[np.int64]:
        return np.arange(first_row, first_row + rows) % self.folds

    def _values(self, X: pd.DataFrame, y: Floats) -> list[Floats]:
        """Return what is summed: rows, targets; the same where `per` is known, and `per`."""
        many = self.classes > 2  # noqa: PLR2004
        targets = [(y == i).astype(float) for i in range(self.classes)] if many else [y]
        if self.per is None:
            return [np.ones(len(y)), *targets]
        per = X[self.per].to_numpy(float)
        known = ~np.isnan(per)
        return [np.ones(len(y)), y, known.astype(float), y * known, np.where(known, per, 0)]

    def _means(self, sums: Floats, totals: Floats) -> Features:
        """Turn sums (statistic, ..., n) of categories, and of all of them, into shrunk means."""
        prior, targets = self.prior_rows, slice(1, 2) if self.per else slice(1, None)
        # With so few rows that a fold has no others, nothing is learnt: 0.
        overall = totals[targets] / np.maximum(totals[:1], 1)
        means = [*(sums[targets] + prior * overall) / (sums[:1] + prior)]
        if self.per:
            mean = totals[3:] / np.maximum(totals[2], 1)
            units = sums[4] + prior * mean[1]
            means.append((sums[3] + prior * mean[0]) / np.where(units == 0, np.nan, units))
        return np.stack(means).astype(np.float32)

    def _append(self, X: pd.DataFrame, encoded: list[Features]) -> Features:
        columns = [categories.read_number(X, name) for name in self.numbers_]
        columns += [column for means in encoded for column in means]
        # Row by row in memory, as XGBoost reads it.
        appended = np.empty((len(X), len(columns)), np.float32)
        for i, column in enumerate(columns):
            appended[:, i] = column
        return appended
