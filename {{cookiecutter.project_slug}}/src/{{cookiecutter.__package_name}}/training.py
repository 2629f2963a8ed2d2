"""Fit a pipeline to cleaned months."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline
    from xgboost import XGBRegressor

Engine = Literal["memory", "external", "dask"]
"""What trains: all rows in memory, batches from the disk, or the workers of a cluster."""

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
    max_bin: int = Field(default=128, ge=2, description="Steps that a feature is cut into, at most")
    max_rounds: int = Field(default=130, ge=1, description="Trees, at most")
    seed: int = Field(default=42, ge=0, description="Seed of the random numbers")


def choose_engine(engine: Literal["auto", Engine], rows: int, memory_rows: int) -> Engine:
    """The engine for so many rows. Raises ValueError if it is not installed."""
    if engine == "dask" and not find_spec("distributed"):
        raise ValueError("engine 'dask': needs dask; install it with `uv sync --group dask`")
    if engine == "auto":
        return "memory" if rows <= memory_rows else "external"
    return engine


def fit(
    paths: Sequence[Path],
    params: TrainParams,
    engine: Engine = "memory",
    folder: Path | None = None,
    scheduler: str = "",
) -> "Pipeline":
    """Fit to all rows of the months; every engine gives the same kind of pipeline.

    The engine "external" needs a folder for its pages; "dask" takes a scheduler's address.
    """
    if engine == "external":
        from . import external

        return external.fit(paths, params, folder or Path())
    if engine == "dask":
        from . import cluster

        return cluster.fit(paths, params, scheduler)
    from . import data

    return fit_rows(*data.read(paths), params)


def fit_rows(X: "pd.DataFrame", y: "pd.Series", params: TrainParams) -> "Pipeline":
    """Fit to raw rows in order of time, with as many rounds as the last 15% of them asked for."""
    from .features import make_pipeline
    from .progress import rounds_shown

    model = regressor(params, _choose_rounds(X, y, params))
    with rounds_shown(model, "Fitting"):
        return make_pipeline(model).fit(X, y)


def _choose_rounds(X: "pd.DataFrame", y: "pd.Series", params: TrainParams) -> int:
    """Rounds after which the last rows are predicted no better, and a tenth more for all rows."""
    from .features import make_pipeline
    from .progress import rounds_shown

    split = int(len(y) * (1 - VALIDATION_SHARE))
    search = search_regressor(params)
    encoder = make_pipeline(search)[:-1]
    train = encoder.fit_transform(X[:split], y[:split])
    newest = (encoder.transform(X[split:]), y[split:])
    with rounds_shown(search, "Choosing the rounds"):
        search.fit(train, y[:split], eval_set=[newest], verbose=False)
    return rounds_for_all(search.best_iteration, params)


def search_regressor(params: TrainParams) -> "XGBRegressor":
    """What looks for the number of rounds.

    Twice the learning rate needs about half of the rounds: the search costs half as much.
    """
    return regressor(
        params,
        max(1, params.max_rounds // SEARCH_SPEED),
        learning_rate=min(1, params.learning_rate * SEARCH_SPEED),
        early_stopping_rounds=10,
    )


def rounds_for_all(best_iteration: int, params: TrainParams) -> int:
    """The rounds for all rows, a tenth more than for the older 85% of them."""
    return min(params.max_rounds, round((best_iteration + 1) * SEARCH_SPEED * 1.1))


def regressor(params: TrainParams, rounds: int, **options: Any) -> "XGBRegressor":
    """XGBoost with these params, and options of its own."""
    from xgboost import XGBRegressor

    chosen = params.model_dump(exclude={"max_rounds", "seed"}) | options
    return XGBRegressor(n_estimators=rounds, random_state=params.seed, **chosen)


def save(pipeline: "Pipeline", path: Path) -> None:
    """Write a pipeline to a file."""
    import_skops().dump(pipeline, path)


def load(path: Path) -> "Pipeline":
    """Read a pipeline from a file that `save` wrote."""
    return import_skops().load(path, trusted=TRUSTED_TYPES)


def import_skops() -> Any:
    """Import skops.io in a fifth of the time that its import takes.

    To name what it trusts it looks for each function of scipy.special in all modules: two seconds
    for what no pipeline here holds. It does not see them.
    """
    import scipy.special

    vars(scipy.special)["__dir__"] = list
    try:
        import skops.io
    finally:
        vars(scipy.special).pop("__dir__", None)
    return skops.io
