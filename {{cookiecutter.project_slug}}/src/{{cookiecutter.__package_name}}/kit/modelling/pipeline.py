"""The scikit-learn pipeline that takes raw rows, and its file."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io
from sklearn.inspection import permutation_importance
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from .contract import GROUPS, PER, PROBLEM, TRUSTED_TYPES, build_features
from .problems import Floats
from .target_encoding import GroupMeans

# What a saved pipeline may hold besides scikit-learn's own types; anything else is refused.
TRUSTED = [
    f"{GroupMeans.__module__}.GroupMeans",
    f"{build_features.__module__}.{build_features.__name__}",
    "numpy.dtype",  # of scikit-learn's imputers
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
    "xgboost.sklearn.XGBRegressor",
    "collections.OrderedDict",  # of LightGBM
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRegressor",
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
    """Read a pipeline from a file that `save` wrote."""
    return skops.io.load(path, trusted=TRUSTED)


def refuse_untrusted(pipeline: Pipeline) -> None:
    """Raise ValueError if a pipeline holds types that `load` would refuse."""
    found = skops.io.get_untrusted_types(data=skops.io.dumps(pipeline))
    if unknown := {*found} - {*TRUSTED}:
        names = ", ".join(f'"{name}"' for name in sorted(unknown.union(TRUSTED_TYPES)))
        problem = "the estimator holds types that a saved model may not"
        raise ValueError(f"model.py: {problem}; if you trust them: TRUSTED_TYPES = [{names}]")


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
