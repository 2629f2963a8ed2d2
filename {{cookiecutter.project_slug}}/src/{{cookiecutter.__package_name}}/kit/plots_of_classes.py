"""Plots of a classification: how well a model separates classes, and whether its chances hold."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .figures import BLUE, ORANGE, make_figure
from .modelling.contract import PERIOD, PROBLEM, TARGET

BINS = 10
MOST_CLASSES = 8


def class_plots(actual: Any, predicted: Any) -> dict[str, Figure]:
    """Draw ROC, precision-recall and calibration curves: one for two classes, else one each."""
    from sklearn.calibration import calibration_curve
    from sklearn.metrics import precision_recall_curve, roc_curve

    roc, roc_axes = make_figure(5.6, 5.4, left=0.12)
    recall, recall_axes = make_figure(5.6, 5.4, left=0.12)
    calibration, calibration_axes = make_figure(5.6, 5.4, left=0.12)
    for i, name in _shown():
        is_class, chance = actual == i, predicted[:, i]
        if not 0 < is_class.sum() < len(is_class):
            continue  # nothing to tell apart
        style: dict[str, Any] = {"label": str(name)[:20]}
        style |= {"color": BLUE} if len(_shown()) == 1 else {}
        roc_axes.plot(*roc_curve(is_class, chance)[:2], **style)
        precision, found, _ = precision_recall_curve(is_class, chance)
        recall_axes.plot(found, precision, **style)
        share, mean = calibration_curve(is_class, chance, n_bins=BINS, strategy="quantile")
        calibration_axes.plot(mean, share, marker="o", markersize=4, **style)
    for axes in (roc_axes, calibration_axes):
        axes.plot([0, 1], [0, 1], color=ORANGE, linewidth=1, linestyle="--")
    _name(roc_axes, "ROC curve", "Share of other rows taken", "Share of the class found")
    _name(recall_axes, "Precision and recall", "Recall", "Precision")
    _name(calibration_axes, "Calibration", "Predicted probability", "Share of the class")
    return {"roc": roc, "precision_recall": recall, "calibration": calibration}


def _shown() -> list[tuple[int, Any]]:
    numbered = [*enumerate(PROBLEM.classes)]
    return numbered[1:] if len(numbered) == 2 else numbered[:MOST_CLASSES]  # noqa: PLR2004


def _name(axes: Any, title: str, x: str, y: str) -> None:
    axes.set(title=f"{title} of {TARGET}, test {PERIOD}", xlabel=x, ylabel=y)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=np.linspace(0, 1, 6))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best")
