"""What is predicted, by which estimator, with which params (README, "Your own data")."""

from typing import Any

from pydantic import BaseModel, Field

from .kit.modelling.problems import Regression

# What kind of target data.TARGET is, and its unit. For classes instead of a number:
# Classification(classes=("on time", "late")), from .kit.modelling.classification.
PROBLEM = Regression(unit="minutes")


class TrainParams(BaseModel, extra="forbid"):
    """Params of the estimator; early stopping chooses how many trees, up to max_rounds."""

    learning_rate: float = Field(default=0.1, gt=0, le=1, description="Weight of each new tree")
    max_depth: int = Field(default=10, ge=1, le=16, description="Depth of a tree")
    min_child_weight: float = Field(
        default=30, ge=0, description="Rows in a leaf, at least; for classes, the sum of p(1-p)"
    )
    reg_lambda: float = Field(default=10, ge=0, description="L2 penalty on leaf weights")
    subsample: float = Field(default=0.8, gt=0, le=1, description="Share of rows per tree")
    colsample_bytree: float = Field(
        default=0.8, gt=0, le=1, description="Share of features per tree"
    )
    max_bin: int = Field(default=128, ge=2, description="Steps that a feature is cut into, at most")
    max_rounds: int = Field(default=130, ge=1, description="Trees, at most")
    seed: int = Field(default=42, ge=0, description="Seed of the random numbers")


# The params that `tune` tries, from and to; between two whole numbers only whole ones, between
# others any. Those in LOG_SCALE are tried evenly on a logarithmic scale. The rest stay as they are.
SEARCH_SPACE: dict[str, tuple[float, float]] = {
    "learning_rate": (0.03, 0.3),
    "max_depth": (4, 14),
    "min_child_weight": (1.0, 100.0),
    "reg_lambda": (0.1, 100.0),
    "subsample": (0.5, 1.0),
    "colsample_bytree": (0.4, 1.0),
    "max_rounds": (50, 300),
}
LOG_SCALE = {"learning_rate", "min_child_weight", "reg_lambda"}


def make_estimator(params: TrainParams) -> Any:
    """Make the estimator, not fitted yet: any of scikit-learn's kind."""
    from xgboost import XGBRegressor  # here: other commands need not wait for this import

    chosen = params.model_dump(exclude={"max_rounds", "seed"})
    return XGBRegressor(n_estimators=params.max_rounds, random_state=params.seed, **chosen)
