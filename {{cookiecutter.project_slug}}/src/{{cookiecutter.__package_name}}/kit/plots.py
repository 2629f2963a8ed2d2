"""Plots of a training."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from .figures import BLUE, ORANGE, make_figure
from .modelling.contract import NOUN, PERIOD, PROBLEM, TARGET

if TYPE_CHECKING:
    import pandas as pd

TOP_FEATURES = 20
LONGEST_NAME = 40
UNIT = f" ({PROBLEM.unit})" if PROBLEM.unit else ""


def training_plots(
    times: "pd.Series | None", actual: Any, predicted: Any, importance: Mapping[str, float]
) -> dict[str, Figure]:
    """Draw the plots of a training, by name, from the test rows."""
    if PROBLEM.classes:
        from .plots_of_classes import class_plots

        plots = class_plots(actual, predicted)
    else:
        plots = {"actual_vs_predicted": _actual_vs_predicted(actual, predicted)}
        if times is not None:
            hours = times.dt.hour.to_numpy()
            plots["residuals_by_hour"] = _residuals_by_hour(hours, predicted - actual)
    return plots | {"importance": _importance(importance)}


def _actual_vs_predicted(actual: Any, predicted: Any) -> Figure:
    figure, axes = make_figure(6.6, 5.6, left=0.12)
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
    figure, axes = make_figure(7, 4.2, left=0.12)
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
    axes.set_yticks(places, [_short(name) for name, _ in ordered])
    axes.set(title="Feature importance", xlabel="Share (%)")
    return figure


def _short(name: str) -> str:
    """Return a name with its middle left out if it is long: names often differ at their ends."""
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[:half]}…{name[-half:]}"
