"""Fit a pipeline to cleaned months."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline
    from xgboost import XGBRegressor

log = logging.getLogger(__name__)

VALIDATION_SHARE = 0.15
SEARCH_SPEED = 2

TRUSTED_TYPES = [
    f"{__package__}.encoding.GroupMeans",
    f"{__package__}.features.build_features",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBRegressor",
]
"""What a saved pipeline may hold beside scikit-learn's own types; anything else is refused."""


class TrainParams(BaseModel, extra="forbid"):
    """Params of XGBoost; the number of rounds is chosen by early stopping."""

    learning_rate: float = Field(default=0.1, gt=0, le=1, description="Weight of each new tree")
    max_depth: int = Field(default=10, ge=1, le=16, description="Depth of a tree")
    min_child_weight: float = Field(default=30, ge=0, description="Rows in a leaf, at least")
    reg_lambda: float = Field(default=10, ge=0, description="L2 penalty on leaf weights")
    subsample: float = Field(default=0.8, gt=0, le=1, description="Share of rows per tree")
    colsample_bytree: float = Field(
        default=0.8, gt=0, le=1, description="Share of features per tree"
    )
    max_rounds: int = Field(default=130, ge=1, description="Trees, at most")
    seed: int = Field(default=42, ge=0, description="Seed of the random numbers")


def fit(paths: Sequence[Path], params: TrainParams) -> "Pipeline":
    """Fit to all rows of the months."""
    from . import data

    return fit_rows(*data.read(paths), params)


def fit_rows(X: "pd.DataFrame", y: "pd.Series", params: TrainParams) -> "Pipeline":
    """Fit to raw rows in order of time, with as many rounds as the last 15% of them asked for."""
    from .features import make_pipeline

    rounds = _choose_rounds(X, y, params)
    return make_pipeline(_regressor(params, rounds)).fit(X, y)


def _choose_rounds(X: "pd.DataFrame", y: "pd.Series", params: TrainParams) -> int:
    """Rounds after which the last rows are predicted no better, and a tenth more for all rows."""
    from .features import make_pipeline

    split = int(len(y) * (1 - VALIDATION_SHARE))
    # Twice the learning rate needs about half of the rounds: the search costs half as much.
    regressor = _regressor(
        params,
        max(1, params.max_rounds // SEARCH_SPEED),
        learning_rate=min(1, params.learning_rate * SEARCH_SPEED),
        early_stopping_rounds=10,
    )
    encoder = make_pipeline(regressor)[:-1]
    train = encoder.fit_transform(X[:split], y[:split])
    newest = (encoder.transform(X[split:]), y[split:])
    regressor.fit(train, y[:split], eval_set=[newest], verbose=False)
    return min(params.max_rounds, round((regressor.best_iteration + 1) * SEARCH_SPEED * 1.1))


def _regressor(params: TrainParams, rounds: int, **options: Any) -> "XGBRegressor":
    from xgboost import XGBRegressor

    chosen = params.model_dump(exclude={"max_rounds", "seed"}) | options
    return XGBRegressor(n_estimators=rounds, random_state=params.seed, **chosen)


def save(pipeline: "Pipeline", path: Path) -> None:
    """Write a pipeline to a file."""
    import skops.io

    skops.io.dump(pipeline, path)


def load(path: Path) -> "Pipeline":
    """Read a pipeline from a file that `save` wrote."""
    import skops.io

    return skops.io.load(path, trusted=TRUSTED_TYPES)
