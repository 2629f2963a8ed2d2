"""Cleaned months part by part, and a fit that never has more than a part of them in memory."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from . import training
from .data import INPUTS, TARGET, TIME
from .encoding import GroupMeans
from .features import build_features, make_pipeline
from .parquet import DataError

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline
    from xgboost import Booster, XGBRegressor

SAMPLE_ROWS = 100_000


class Part(NamedTuple):
    """A row group of a cleaned month; its rows are numbered through all months."""

    path: Path
    group: int
    first_row: int
    rows: int


class Span(NamedTuple):
    """The rows from one time on and before another; None: without an end."""

    start: pd.Timestamp | None = None
    end: pd.Timestamp | None = None


Rows = tuple[pd.DataFrame, NDArray[np.float64]]
"""Features of shape (n, features) and the target of shape (n,)."""

Train = Callable[["XGBRegressor", Sequence[Part], Span, Span | None], tuple[GroupMeans, "Booster"]]
"""How an engine trains: as a regressor says on the rows of a span; stopped early by another's rows.

Returns the means that were learnt of these rows, and the trees.
"""


def fit(paths: Sequence[Path], params: training.TrainParams, train: Train) -> "Pipeline":
    """Fit to all rows of the months, with as many rounds as the newest 15% of them asked for."""
    parts = parts_of(paths)
    rounds = _choose_rounds(parts, params, train)
    regressor = training.regressor(params, rounds)
    means, booster = train(regressor, parts, Span(), None)
    regressor.load_model(booster.save_raw("ubj"))
    return make_pipeline(regressor).set_params(means=means)


def _choose_rounds(parts: Sequence[Part], params: training.TrainParams, train: Train) -> int:
    # A function of its own, so that the trees go at its end: with them XGBoost keeps 40 B a row.
    newest = _newest_from(parts)
    search = training.search_regressor(params)
    _, booster = train(search, parts, Span(end=newest), Span(start=newest))
    return training.rounds_for_all(booster.best_iteration, params)


def training_options(regressor: "XGBRegressor") -> dict[str, Any]:
    """What xgboost.train, and its twin for dask, are to be told of a regressor."""
    return {
        "params": regressor.get_xgb_params(),
        "num_boost_round": regressor.n_estimators,
        "early_stopping_rounds": regressor.early_stopping_rounds,
        "verbose_eval": False,
    }


def learn_means(parts: Sequence[Part], span: Span) -> GroupMeans:
    """What the rows of a span have to teach; `finish` ends it."""
    means: GroupMeans = make_pipeline(None)["means"].start()
    for part in parts:
        means.add(*read_features(part, span), part.first_row)
    return means


def read_features(part: Part, span: Span) -> Rows:
    """The rows of a part that lie in a span."""
    rows = read(part, [*INPUTS.names, TARGET])
    if span.start is not None:
        rows = rows[rows[TIME] >= span.start]
    if span.end is not None:
        rows = rows[rows[TIME] < span.end]
    return build_features(rows), rows[TARGET].to_numpy()


def parts_of(paths: Sequence[Path]) -> list[Part]:
    """The parts of cleaned months: a batch of `clean_month` each."""
    parts, row = [], 0
    for path in paths:
        file = pq.read_metadata(path)
        for group in range(file.num_row_groups):
            rows = file.row_group(group).num_rows
            if rows:
                parts.append(Part(path, group, row, rows))
            row += rows
    return parts


def read(part: Part, columns: list[str]) -> pd.DataFrame:
    """Some columns of a part."""
    with pq.ParquetFile(part.path) as file:
        # Threads would take memory for each column.
        return file.read_row_group(part.group, columns, use_threads=False).to_pandas()


def sample(parts: Sequence[Part], columns: list[str]) -> pd.DataFrame:
    """Every n-th row, about SAMPLE_ROWS of them."""
    step = max(1, sum(part.rows for part in parts) // SAMPLE_ROWS)
    # Copied, as a view would keep the whole part in memory.
    taken = [read(part, columns)[-part.first_row % step :: step].copy() for part in parts]
    return pd.concat(taken, ignore_index=True)


def target_mean(paths: Sequence[Path]) -> float:
    """The mean target of cleaned months."""
    parts = parts_of(paths)
    total = sum(read(part, [TARGET])[TARGET].sum() for part in parts)
    return float(total / sum(part.rows for part in parts))


def _newest_from(parts: Sequence[Part]) -> pd.Timestamp:
    """The time that the newest 15% of the rows begin at, by a sample of them."""
    times = sample(parts, [TIME])[TIME].sort_values(ignore_index=True)
    later = times[times > times[0]]
    if later.empty:
        raise DataError(f"{TIME}: is {times[0]} in all rows; train with the engine 'memory'")
    return max(times[int(len(times) * (1 - training.VALIDATION_SHARE))], later.iloc[0])
