"""The scikit-learn pipeline that takes raw rows, and its file."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io
from sklearn.inspection import permutation_importance
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from .contract import (
    GROUPS,
    PER,
    PROBLEM,
    TRUSTED_TYPES,
    TrainParams,
    build_features,
    make_estimator,
)
from .problems import Floats
from .target_encoding import GroupMeans

# What a saved pipeline may hold besides types of scikit-learn and of the estimator's package.
TRUSTED = [
    "collections.OrderedDict",
    "numpy.dtype",
    f"{GroupMeans.__module__}.GroupMeans",
    f"{build_features.__module__}.{build_features.__name__}",
    *TRUSTED_TYPES,
]
IMPORTANCE_ROWS = 2_000


def make_pipeline(estimator: Any) -> Pipeline:
    """Make the pipeline: raw rows -> features -> learnt means of the groups -> estimator."""
    return Pipeline(
        [
            ("features", FunctionTransformer(build_features)),
            ("means", GroupMeans(GROUPS, PER, len(PROBLEM.classes))),
            ("estimator", estimator),
        ]
    )


def save(pipeline: Pipeline, path: Path) -> None:
    """Write a pipeline to a file."""
    skops.io.dump(pipeline, path)


def load(path: Path) -> Pipeline:
    """Read a pipeline from a file that `save` wrote; one that holds other types is refused."""
    return skops.io.load(path, trusted=trusted_types(path))


def trusted_types(path: Path) -> list[str]:
    """Return the types in a file that skops does not know, and that it may hold all the same."""
    return [name for name in skops.io.get_untrusted_types(file=path) if _is_trusted(name)]


def refuse_untrusted(pipeline: Pipeline) -> None:
    """Raise ValueError if a pipeline holds types that `load` would refuse."""
    found = skops.io.get_untrusted_types(data=skops.io.dumps(pipeline))
    if unknown := {name for name in found if not _is_trusted(name)}:
        names = ", ".join(f'"{name}"' for name in sorted(unknown.union(TRUSTED_TYPES)))
        problem = "the estimator holds types that a saved model may not"
        raise ValueError(f"model.py: {problem}; if you trust them: TRUSTED_TYPES = [{names}]")


def _is_trusted(name: str) -> bool:
    """Return whether a type is in TRUSTED, or of the package of the estimator or of one within."""
    estimator = make_estimator(TrainParams())
    parts = [estimator, *estimator.get_params().values()]
    packages = {
        type(part).__module__.partition(".")[0] for part in parts if hasattr(part, "get_params")
    }
    return name in TRUSTED or name.partition(".")[0] in packages


def importance(pipeline: Pipeline, X: pd.DataFrame, y: Floats) -> dict[str, float]:
    """Return each feature's share: of the gain of XGBoost's splits, else of the error it saves.

    The latter by permuting each feature of some of the rows (Breiman 2001).
    """
    estimator = pipeline[-1]
    if hasattr(estimator, "get_booster"):
        found = estimator.feature_importances_
    else:
        step = max(1, len(X) // IMPORTANCE_ROWS)
        Z, actual = pipeline[:-1].transform(X[::step]), y[::step]
        permuted = permutation_importance(
            estimator, Z, actual, scoring=_negative_error, n_repeats=3, random_state=0
        )
        found = np.maximum(permuted.importances_mean, 0)
    shares = np.asarray(found, float) / max(float(np.sum(found)), np.finfo(float).tiny)
    return dict(zip(pipeline["means"].get_feature_names_out(), map(float, shares), strict=True))


def _negative_error(estimator: Any, Z: Any, y: Floats) -> float:
    return -float(np.mean(PROBLEM.losses(y, PROBLEM.predict(estimator, Z))))
