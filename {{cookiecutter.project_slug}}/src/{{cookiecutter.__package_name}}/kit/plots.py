"""Plots of a training: of a regression, or of a classification, and of the features."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .modelling.contract import NOUN, PERIOD, PROBLEM, TARGET

# Two colours that everybody can tell apart, in print too (Okabe and Ito 2008).
BLUE, ORANGE = "#0072B2", "#D55E00"
TOP_FEATURES = 20
LONGEST_NAME, LONGEST_CLASS = 40, 24
BINS = 10
MOST_CLASSES = 8
UNIT = f" ({PROBLEM.unit})" if PROBLEM.unit else ""


def training_plots(
    times: pd.Series | None, actual: Any, predicted: Any, importance: Mapping[str, float]
) -> dict[str, Figure]:
    """Draw the plots of a training, by name, from the test rows."""
    if PROBLEM.classes:
        plots = _class_plots(actual, predicted)
    else:
        plots = {"actual_vs_predicted": _actual_vs_predicted(actual, predicted)}
        if times is not None:
            hours = times.dt.hour.to_numpy()
            plots["residuals_by_hour"] = _residuals_by_hour(hours, predicted - actual)
    return plots | {"importance": _importance(importance)}


def _actual_vs_predicted(actual: Any, predicted: Any) -> Figure:
    figure, axes = _make_figure(6.6, 5.6)
    limits = float(min(0, actual.min(), predicted.min())), float(max(actual.max(), predicted.max()))
    cells = axes.hexbin(
        actual, predicted, gridsize=60, extent=(*limits, *limits), bins="log", cmap="cividis_r"
    )
    axes.plot(limits, limits, color=ORANGE, linewidth=1.5, label="exact prediction")
    axes.set(
        title=f"Predicted against actual {TARGET}, test {PERIOD}",
        xlabel=f"Actual {TARGET}{UNIT}",
        ylabel=f"Predicted {TARGET}{UNIT}",
        xlim=limits,
        ylim=limits,
        aspect="equal",
    )
    axes.legend(loc="upper left")
    figure.colorbar(
        cells, shrink=0.8, label=f"{NOUN.capitalize()} per cell (log scale)", format="{x:,.0f}"
    )
    return figure


def _residuals_by_hour(hours: Any, residuals: Any) -> Figure:
    figure, axes = _make_figure(7, 4.2)
    present = np.unique(hours)
    low, middle, high = np.array(
        [np.percentile(residuals[hours == hour], [10, 50, 90]) for hour in present]
    ).T
    axes.fill_between(present, low, high, color=BLUE, alpha=0.25, label="10th to 90th percentile")
    axes.plot(present, middle, color=BLUE, marker="o", markersize=4, label="median")
    axes.axhline(0, color=ORANGE, linewidth=1.5, label="exact prediction")
    axes.margins(y=0.15)  # room for the legend
    axes.set(
        title=f"Residuals by hour of the day, test {PERIOD}",
        xlabel="Hour of the day",
        ylabel=f"Predicted minus actual{UNIT}",
        xticks=range(0, 24, 3),
    )
    axes.legend(loc="upper center", ncols=3)
    return figure


def _importance(importance: Mapping[str, float]) -> Figure:
    # Names may be long; only a layout engine knows how long.
    ordered = sorted(importance.items(), key=lambda item: item[1])[-TOP_FEATURES:]
    figure = Figure(figsize=(6.4, 1 + 0.25 * max(4, len(ordered))), layout="constrained")
    axes = figure.add_subplot()
    # By number: bars of one name, such as two that are cut alike, would be one bar.
    places = range(len(ordered))
    axes.barh(places, [100 * share for _, share in ordered], color=BLUE)
    axes.set_yticks(places, [_short(name, LONGEST_NAME) for name, _ in ordered])
    axes.set(title="Feature importance", xlabel="Share (%)")
    return figure


def _short(name: str, longest: int) -> str:
    """Return a name with its middle left out if it is long: names often differ at their ends."""
    half = longest // 2
    return name if len(name) <= longest else f"{name[:half]}…{name[-half:]}"


def _class_plots(actual: Any, predicted: Any) -> dict[str, Figure]:
    """Draw ROC, precision-recall and calibration curves: one for two classes, else one each."""
    from sklearn.calibration import calibration_curve
    from sklearn.metrics import precision_recall_curve, roc_curve

    roc, roc_axes = _make_figure(5.6, 5.4)
    recall, recall_axes = _make_figure(5.6, 5.4)
    calibration, calibration_axes = _make_figure(5.6, 5.4)
    for i, name in _shown():
        is_class, chance = actual == i, predicted[:, i]
        if not 0 < is_class.sum() < len(is_class):
            continue  # nothing to tell apart
        style: dict[str, Any] = {"label": _short(str(name), LONGEST_CLASS)}
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
        count = len(PROBLEM.classes)
        axes.legend(title=f"{MOST_CLASSES} of {count} classes" if count > MOST_CLASSES else None)


def _make_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """Make a figure, in inches, with fixed margins: a layout engine takes longer than drawing."""
    figure = Figure(figsize=(width, height))
    figure.subplots_adjust(left=0.12, right=0.97, bottom=0.6 / height, top=1 - 0.45 / height)
    return figure, figure.add_subplot()
