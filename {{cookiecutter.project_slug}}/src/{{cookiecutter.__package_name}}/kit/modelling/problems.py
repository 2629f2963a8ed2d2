"""What is predicted: a number here, a class in classification.py. The rest of the kit asks these.

Targets y have shape (n,): numbers, or the positions of classes. Predictions have shape (n,) for a
regression, and (n, classes) of probabilities for a classification.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


class Problem(BaseModel, ABC, frozen=True):
    """What the kit asks of a kind of target."""

    # The metrics with their names on reports; the main one, an error, is the first.
    labels: ClassVar[dict[str, str]]
    # The main error is the mean loss of the rows to the power of this.
    power: ClassVar[float]
    # What a target that cannot be used is called, and what a model is first compared with.
    unknown: ClassVar[str]
    baseline_name: ClassVar[str]
    classes: tuple[Any, ...] = ()
    unit: str = ""

    @property
    def main(self) -> str:
        """Name of the main metric."""
        return next(iter(self.labels))

    @property
    def error_label(self) -> str:
        """Name of the main metric on reports."""
        return self.labels[self.main]

    def error(self, mean_loss: Any) -> Any:
        """Return the main error that a mean loss makes."""
        return mean_loss**self.power

    def beyond_limits(self, _metrics: dict[str, float]) -> str:
        """Return which limit of the problem the metrics miss, or nothing."""
        return ""

    @abstractmethod
    def encode(self, target: "pd.Series") -> "tuple[pd.Series, pd.Series]":
        """Return the target as numbers, and which of them cannot be used."""

    @abstractmethod
    def losses(self, y: Floats, predicted: Floats) -> Floats:
        """Return the loss of each row, of shape (n,)."""

    @abstractmethod
    def metrics(self, y: Floats, predicted: Floats) -> dict[str, float]:
        """Return the metrics by name."""

    @abstractmethod
    def baseline(self, targets: Iterable[Floats], rows: int) -> Floats:
        """Return what always says the mean, or the shares, of parts of targets, for some rows."""

    @abstractmethod
    def predict(self, pipeline: Any, X: "pd.DataFrame") -> Floats:
        """Return the predictions of a fitted pipeline."""

    @abstractmethod
    def columns(self, predicted: Floats) -> dict[str, Any]:
        """Return predictions as columns for people, by name."""


class Regression(Problem, frozen=True):
    """A number, such as a duration; `unit` is the target's.

    A model whose RMSE is above `max_rmse` is not promoted, whatever the champion's is.
    """

    labels: ClassVar = {"rmse": "RMSE", "mae": "MAE", "r2": "R²"}
    power = 0.5
    unknown = "no number"
    baseline_name = "the mean baseline"
    max_rmse: float = float("inf")

    def beyond_limits(self, metrics: dict[str, float]) -> str:
        """Return the limit if the RMSE is above it."""
        return "" if metrics["rmse"] <= self.max_rmse else f"above max_rmse {self.max_rmse:g}"

    def encode(self, target: "pd.Series") -> "tuple[pd.Series, pd.Series]":
        """Return the target as floats, and where it is missing or infinite."""
        try:
            numbers = target.astype(float)
        except ValueError as error:
            raise ValueError(
                f"model.py: PROBLEM is a Regression, and '{target.name}' is no number ({error}); "
                "for classes, make it a Classification"
            ) from error
        return numbers, numbers.isna() | numbers.abs().eq(np.inf)

    def losses(self, y: Floats, predicted: Floats) -> Floats:
        """Return the squared errors."""
        return np.asarray((predicted - y) ** 2, float)

    def metrics(self, y: Floats, predicted: Floats) -> dict[str, float]:
        """Return RMSE and MAE in the target's unit, and the share of variance explained."""
        squares = np.mean(self.losses(y, predicted))
        with np.errstate(divide="ignore", invalid="ignore"):  # one row, or all the same
            r2 = 1 - squares / np.var(y)
        mae = float(np.mean(np.abs(predicted - y)))
        return {"rmse": float(np.sqrt(squares)), "mae": mae, "r2": float(r2)}

    def baseline(self, targets: Iterable[Floats], rows: int) -> Floats:
        """Return the mean of the target."""
        total, count = np.sum([(y.sum(), len(y)) for y in targets], axis=0)
        return np.full(rows, total / count)

    def predict(self, pipeline: Any, X: "pd.DataFrame") -> Floats:
        """Return the predicted numbers."""
        return np.asarray(pipeline.predict(X), float)

    def columns(self, predicted: Floats) -> dict[str, Any]:
        """Return the one column."""
        return {"prediction": predicted}
