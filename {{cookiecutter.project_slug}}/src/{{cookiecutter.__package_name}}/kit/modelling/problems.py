"""What is predicted: a number, or a class. All that depends on it is here, but the plots.

Targets y have shape (n,): numbers, or the positions of classes. Predictions have shape (n,) for a
regression, and (n, classes) of probabilities for a classification.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
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
    def baseline(self, total: float, counts: Floats, rows: int) -> Floats:
        """Return what always says the training rows' mean, or shares, for so many rows."""

    @abstractmethod
    def predict(self, pipeline: Any, X: "pd.DataFrame") -> Floats:
        """Return the predictions of a fitted pipeline."""

    @abstractmethod
    def columns(self, predicted: Floats) -> dict[str, Any]:
        """Return predictions as columns for people, by name."""


class Regression(Problem, frozen=True):
    """A number, such as a duration; `unit` is the target's."""

    labels = {"rmse": "RMSE", "mae": "MAE", "r2": "R²"}
    power = 0.5
    unknown = "no number"
    baseline_name = "the mean baseline"

    def encode(self, target: "pd.Series") -> "tuple[pd.Series, pd.Series]":
        """Return the target as floats, and where it is missing or infinite."""
        numbers = target.astype(float)
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

    def baseline(self, total: float, counts: Floats, rows: int) -> Floats:
        """Return the mean of the target."""
        return np.full(rows, total / counts.sum())

    def predict(self, pipeline: Any, X: "pd.DataFrame") -> Floats:
        """Return the predicted numbers."""
        return np.asarray(pipeline.predict(X), float)

    def columns(self, predicted: Floats) -> dict[str, Any]:
        """Return the one column."""
        return {"prediction": predicted}


class Classification(Problem, frozen=True):
    """One of `classes`, as the target names them; of two, the second is the one looked for.

    With two classes, a row is of the second from the probability `threshold` on.
    """

    labels = {
        "log_loss": "Log loss",
        "roc_auc": "ROC AUC",
        "average_precision": "Average precision",
        "brier": "Brier score",
    }
    power = 1
    unknown = "none of the classes"
    baseline_name = "the class-share baseline"
    threshold: float = 0.5

    def __init__(self, classes: Sequence[Any], **values: Any) -> None:
        super().__init__(classes=tuple(classes), **values)

    def encode(self, target: "pd.Series") -> "tuple[pd.Series, pd.Series]":
        """Return the positions of the classes, and where there is none."""
        import pandas as pd

        found = pd.Series(pd.Index(self.classes).get_indexer(pd.Index(target)), target.index)
        return found.astype(float), found < 0

    def losses(self, y: Floats, predicted: Floats) -> Floats:
        """Return the log losses; probabilities are kept from 0 by a float's precision."""
        chosen = np.asarray(predicted, float)[np.arange(len(y)), np.asarray(y, int)]
        return -np.log(np.clip(chosen, np.finfo(float).eps, 1))

    def metrics(self, y: Floats, predicted: Floats) -> dict[str, float]:
        """Return scikit-learn's metrics; of more classes, means over one against the rest."""
        from sklearn.metrics import average_precision_score, roc_auc_score

        actual = np.eye(len(self.classes))[np.asarray(y, int)]
        found = {"log_loss": float(np.mean(self.losses(y, predicted)))}
        seen = (actual.any(axis=0)) & (~actual.all(axis=0))
        if len(self.classes) == 2:  # noqa: PLR2004 two classes are one question
            seen[0] = False
        if seen.any():  # ranks say nothing of one class alone
            asked = np.squeeze(actual[:, seen], 1) if seen.sum() == 1 else actual[:, seen]
            scores = predicted[:, seen].reshape(asked.shape)
            found["roc_auc"] = float(roc_auc_score(asked, scores))
            found["average_precision"] = float(average_precision_score(asked, scores))
        share = 1 if len(self.classes) > 2 else 0.5  # noqa: PLR2004
        found["brier"] = float(share * np.mean(((predicted - actual) ** 2).sum(axis=1)))
        return found

    def baseline(self, _total: float, counts: Floats, rows: int) -> Floats:
        """Return the classes' shares of the training rows."""
        return np.tile(counts / counts.sum(), (rows, 1))

    def predict(self, pipeline: Any, X: "pd.DataFrame") -> Floats:
        """Return the probabilities of the classes."""
        return np.asarray(pipeline.predict_proba(X), float)

    def columns(self, predicted: Floats) -> dict[str, Any]:
        """Return the class, and each class's probability."""
        best = predicted.argmax(axis=1)
        if len(self.classes) == 2:  # noqa: PLR2004
            best = (predicted[:, 1] >= self.threshold).astype(int)
        named = {f"probability_{name}": predicted[:, i] for i, name in enumerate(self.classes)}
        return {"prediction": np.array([str(name) for name in self.classes])[best], **named}
