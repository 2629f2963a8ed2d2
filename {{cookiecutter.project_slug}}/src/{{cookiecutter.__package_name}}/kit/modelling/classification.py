"""A class as what is predicted: chances of each, and all that depends on it but the plots."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .problems import Floats, Problem

if TYPE_CHECKING:
    import pandas as pd


class Classification(Problem, frozen=True):
    """One of `classes`, as the target names them; of two, the second is the one looked for.

    With two classes, a row is of the second from the probability `threshold` on. A model with a
    ROC AUC below `min_roc_auc` is not promoted, whatever the champion's is.
    """

    labels: ClassVar = {
        "log_loss": "Log loss",
        "roc_auc": "ROC AUC",
        "average_precision": "Average precision",
        "brier": "Brier score",
    }
    power = 1
    unknown = "none of the classes"
    baseline_name = "the class-share baseline"
    threshold: float = 0.5
    min_roc_auc: float = 0

    def __init__(self, classes: Sequence[Any], **values: Any) -> None:
        super().__init__(classes=tuple(classes), **values)

    def beyond_limits(self, metrics: dict[str, float]) -> str:
        """Return the limit if the ROC AUC, where there is one, is below it."""
        is_fine = metrics.get("roc_auc", 1) >= self.min_roc_auc
        return "" if is_fine else f"with a ROC AUC below min_roc_auc {self.min_roc_auc:g}"

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

    def baseline(self, targets: Iterable[Floats], rows: int) -> Floats:
        """Return the classes' shares of the training rows."""
        most = len(self.classes)
        counts = np.sum([np.bincount(y.astype(int), minlength=most) for y in targets], axis=0)
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
