"""How far a month is from what the champion learnt from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel
from scipy.special import chdtri, ndtri

from .modelling.contract import GROUPS, INPUTS, PROBLEM, build_features
from .modelling.parts import parts_of, sample
from .modelling.problems import Floats
from .records import Judgement

# Bins of a number; and of a category, whose rarer values share one.
QUANTILES, CATEGORIES = 10, 50
# What samples show by chance as often as this, or more often, is noise.
CHANCE = 0.001
# Fewer losses say nothing of their spread.
FEWEST = 5

# The MLflow artifact that holds the reference of a training.
REFERENCE = "reference.json"
# In it the bins of what the model predicted of its test month, next to those of the features.
PREDICTIONS = "predictions"

Counts = NDArray[np.int64]
# Above the first a value is a warning, above the second a failure.
Limits = tuple[float, float]


class Bins(BaseModel):
    """How the training rows spread over the values of a feature.

    The bins are the categories and then all others, or the intervals between the edges; the last
    one is for missing values.
    """

    categories: list[float | str] = []
    edges: list[float] = []
    counts: list[int] = []

    @property
    def array(self) -> Counts:
        """Training rows in each bin."""
        return np.array(self.counts)

    def count(self, values: pd.Series) -> Counts:
        """Count how many of the values, of shape (n,), lie in each bin."""
        last = len(self.categories or self.edges) + 1
        if self.categories:
            is_text = isinstance(self.categories[0], str)
            known = pd.Index(self.categories, dtype=object if is_text else float)
            bins = known.get_indexer(pd.Index(values, dtype=object if is_text else float))
            bins[bins < 0] = last - 1
        else:
            bins = np.searchsorted(self.edges, values)
        bins[values.isna()] = last
        return np.bincount(bins, minlength=last + 1)


class Reference(BaseModel):
    """The bins of each feature of a model's training data."""

    features: dict[str, Bins]


def make_bins(values: pd.Series, is_category: bool) -> Bins:
    """Make bins for the values of a feature, of shape (n,)."""
    counts = values.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    if is_category or len(counts) <= CATEGORIES:
        bins = Bins(categories=counts.index[:CATEGORIES].tolist())
    else:
        steps = np.linspace(0, 1, QUANTILES + 1)[1:-1]
        bins = Bins(edges=np.unique(values.quantile(steps)).tolist())
    bins.counts = bins.count(values).tolist()
    return bins


def make_reference(paths: Sequence[Path], predicted: Floats | None = None) -> Reference:
    """Make the bins of cleaned months, from rows at even distances; and those of predictions."""
    features = build_features(sample(parts_of(paths), INPUTS.names))
    bins = {str(name): make_bins(values, name in GROUPS) for name, values in features.items()}
    if predicted is not None:
        answers = pd.Series(PROBLEM.columns(predicted)["prediction"])
        bins[PREDICTIONS] = make_bins(answers, is_category=bool(PROBLEM.classes))
    return Reference(features=bins)


def judge(value: float, limits: Limits, noise: float = 0) -> Judgement:
    """Judge a value; one that may be noise is ok."""
    warn, fail = limits
    if value <= max(warn, noise):
        return "ok"
    return "fail" if value > fail else "warn"


def psi(expected: Counts, found: Counts) -> float:
    """Return the population stability index of two samples, counted in the same bins.

    Half a row more in each bin keeps an empty one from making it infinite; bins that are empty in
    both say nothing.
    """
    seen = expected + found > 0
    p, q = expected[seen] + 0.5, found[seen] + 0.5
    p, q = p / p.sum(), q / q.sum()
    return float(np.sum((q - p) * np.log(q / p)))


def noise(expected: Counts, found: Counts) -> float:
    """Return the PSI that one pair of samples of these sizes in a thousand has by chance.

    Without drift it is chi-squared over the rows (Yurdakul and Naranjo 2020).
    """
    freedom = max(1, np.count_nonzero(expected + found) - 1)
    rows = 1 / (1 / expected.sum() + 1 / found.sum())
    return float(chdtri(freedom, CHANCE) / rows)


def noise_of_rise(total: float, squares: float, rows: int, expected: float, power: float) -> float:
    """Return the rise of an error that one sample of so many rows in a thousand has by chance.

    From the sums of the losses and of their squares, by the delta method: the error is the mean
    loss to a power.
    """
    mean = total / rows
    if rows < FEWEST or mean == 0:
        return float("inf")
    variance = max(0.0, squares / rows - mean**2) / (rows - 1)
    slope = power * mean ** (power - 1)
    return float(ndtri(1 - CHANCE) * np.sqrt(variance) * slope / expected)
