"""What people read of a training, and of a month: reports in markdown."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from .data import NOUN, UNIT, Month
from .evaluation import BASELINE, Evaluation, Verdict
from .monitoring import Inspection
from .parquet import file_name

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
                [[n, f"{m.rmse:.3f}", f"{m.mae:.3f}", f"{m.r2:z.3f}"] for n, m in scores.items()],
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


def drift_report(inspection: Inspection, version: int) -> str:
    """The markdown report of a month beside what the champion learnt from."""
    error = "has no labels yet"
    if inspection.rmse is not None:
        error = f"{inspection.rmse:.3f} {UNIT}; it was {inspection.test_rmse:.3f} on its test month"
    worst_first = sorted(inspection.findings.items(), key=lambda item: -item[1].value)
    return "\n\n".join(
        [
            f"# {inspection.period}: {inspection.verdict}",
            f"{inspection.rows:,} {NOUN} beside what version {version} (champion) learnt from, "
            f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC.",
            f"RMSE: {error}.",
            _table(
                ["Feature", "PSI, or rise of the RMSE", "Verdict"],
                [[f"`{name}`", f"{f.value:.3f}", f.judgement] for name, f in worst_first],
            ),
        ]
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _month_row(month: Month, use: str) -> list[object]:
    dropped = ", ".join(f"{count:,} {reason}" for reason, count in month.dropped.items() if count)
    counts = [f"{month.rows:,}", f"{month.kept:,}"]
    return [file_name(month.source), use, month.period, *counts, dropped or "none"]
