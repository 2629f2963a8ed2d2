"""What people read of a training: a markdown report and plots."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from .data import NOUN, TARGET, TIME, UNIT, Month
from .evaluation import BASELINE, Evaluation, Verdict

if TYPE_CHECKING:
    import pandas as pd

BLUE, ORANGE = "#0072B2", "#D55E00"
"""Two colours that everybody can tell apart, in print too (Okabe and Ito 2008)."""

TOP_FEATURES = 10


def training_report(
    *,
    evaluation: Evaluation,
    verdict: Verdict,
    version: int,
    train: Sequence[Month],
    test: Month,
    params: Mapping[str, Any],
    run: str,
) -> str:
    """The markdown report of a training."""
    scores = {
        f"version {version} (challenger)": evaluation.metrics,
        verdict.rival: verdict.rival_metrics,
        BASELINE: evaluation.baseline,
    }
    outcome = "promoted to champion" if verdict.promoted else "not promoted"
    top = sorted(evaluation.importance.items(), key=lambda item: -item[1])[:TOP_FEATURES]
    return "\n\n".join(
        [
            f"# RMSE {evaluation.metrics.rmse:.2f} {UNIT}: version {version} {outcome}",
            f"{verdict.reason}.",
            f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, MLflow run {run}",
            f"## On the {test.kept:,} {NOUN} of {test.period}",
            _table(
                ["Model", f"RMSE ({UNIT})", f"MAE ({UNIT})", "R²"],
                [[n, f"{m.rmse:.3f}", f"{m.mae:.3f}", f"{m.r2:.3f}"] for n, m in scores.items()],
            ),
            "## Data",
            _table(
                ["File", "Used to", "Month", "Rows", "Kept", "Dropped"],
                [_month_row(month, "train") for month in train] + [_month_row(test, "test")],
            ),
            "## Feature importance",
            _table(
                ["Feature", "Share of gain", ""],
                [[f"`{name}`", f"{gain:.1%}", "█" * round(gain * 40)] for name, gain in top],
            ),
            "## Params",
            _table(["Param", "Value"], [[f"`{name}`", value] for name, value in params.items()]),
        ]
    )


def training_plots(
    predictions: "pd.DataFrame", importance: Mapping[str, float]
) -> dict[str, Figure]:
    """Plots by name, from the test rows' time, actual value and prediction."""
    actual, predicted = predictions["actual"].to_numpy(), predictions["predicted"].to_numpy()
    hours = predictions[TIME].dt.hour.to_numpy()
    return {
        "actual_vs_predicted": _actual_vs_predicted(actual, predicted),
        "residuals_by_hour": _residuals_by_hour(hours, predicted - actual),
        "importance": _importance(importance),
    }


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _month_row(month: Month, use: str) -> list[object]:
    dropped = ", ".join(f"{count:,} {reason}" for reason, count in month.dropped.items() if count)
    counts = [f"{month.rows:,}", f"{month.kept:,}"]
    return [month.source.rsplit("/", 1)[-1], use, month.period, *counts, dropped or "none"]


def _actual_vs_predicted(actual: Any, predicted: Any) -> Figure:
    figure = Figure(figsize=(6, 5.4), layout="constrained")
    axes = figure.add_subplot()
    limits = float(min(0, actual.min(), predicted.min())), float(max(actual.max(), predicted.max()))
    cells = axes.hexbin(
        actual, predicted, gridsize=60, extent=(*limits, *limits), bins="log", cmap="cividis"
    )
    axes.plot(limits, limits, color=ORANGE, linewidth=1.5, label="exact prediction")
    axes.set(
        title=f"Actual against predicted {TARGET}, test month",
        xlabel=f"Actual {TARGET} ({UNIT})",
        ylabel=f"Predicted {TARGET} ({UNIT})",
        xlim=limits,
        ylim=limits,
        aspect="equal",
    )
    axes.legend(loc="upper left")
    figure.colorbar(cells, label=f"{NOUN.capitalize()} (log scale)")
    return figure


def _residuals_by_hour(hours: Any, residuals: Any) -> Figure:
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    present = np.unique(hours)
    low, middle, high = np.array(
        [np.percentile(residuals[hours == hour], [10, 50, 90]) for hour in present]
    ).T
    axes.fill_between(present, low, high, color=BLUE, alpha=0.25, label="10th to 90th percentile")
    axes.plot(present, middle, color=BLUE, marker="o", markersize=4, label="median")
    axes.axhline(0, color=ORANGE, linewidth=1.5)
    axes.set(
        title="Residuals by hour of the day, test month",
        xlabel="Hour of the day",
        ylabel=f"Predicted minus actual ({UNIT})",
        xticks=range(0, 24, 3),
    )
    axes.legend(loc="upper right")
    return figure


def _importance(importance: Mapping[str, float]) -> Figure:
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    ordered = sorted(importance.items(), key=lambda item: item[1])
    axes.barh([name for name, _ in ordered], [100 * gain for _, gain in ordered], color=BLUE)
    axes.set(title="Feature importance", xlabel="Share of the total gain (%)")
    return figure
