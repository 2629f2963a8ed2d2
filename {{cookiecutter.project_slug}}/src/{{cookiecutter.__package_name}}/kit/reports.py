"""What people read of a training, and of a month: reports in markdown."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..settings import Settings
from .locations import name_in
from .modelling.contract import NOUN, PERIOD, PROBLEM
from .records import Evaluation, Inspection, Metrics, Month, Scores, Verdict

TOP_FEATURES = 10
MONTH_HEADER = ["File", "Used to", PERIOD.title(), "Rows", "Kept", "Dropped"]
# From nothing to the limit of an alarm, and of how many months at most.
BARS, MOST = "▁▂▃▄▅▆▇█", 24
# Metrics that have the target's unit.
WITH_UNIT = ("rmse", "mae")


def training_report(evaluation: Evaluation, verdict: Verdict, version: int, run: str) -> str:
    """Write the markdown report of a training."""
    test, outcome = evaluation.test, "promoted to champion" if verdict.promoted else "not promoted"
    main = f"{_figure(evaluation.metrics, PROBLEM.main)} {PROBLEM.unit}".rstrip()
    top = sorted(evaluation.importance.items(), key=lambda item: -item[1])[:TOP_FEATURES]
    shares = [[f"`{name}`", f"{share:.1%}", "█" * round(40 * share)] for name, share in top]
    months = [*((month, "train") for month in evaluation.months), (test, "test")]
    parts = [
        f"# {PROBLEM.error_label} {main}: version {version} {outcome}",
        f"{verdict.reason[:1].upper()}{verdict.reason[1:]}.",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, MLflow run {run}",
        f"## On the {test.kept:,} {NOUN} of {test.period}",
        _metrics_table(evaluation, verdict, version),
        "## Data",
        _table(MONTH_HEADER, [_month_row(month, use) for month, use in months]),
        "## Feature importance",
        _table(["Feature", "Share", ""], shares),
        "## Params",
        _table(["Param", "Value"], [[f"`{n}`", v] for n, v in evaluation.params.items()]),
    ]
    return "\n\n".join(parts)


def _metrics_table(evaluation: Evaluation, verdict: Verdict, version: int) -> str:
    scores = {
        f"version {version} (challenger)": evaluation.metrics,
        verdict.rival: verdict.rival_metrics,
        PROBLEM.baseline_name: evaluation.baseline,
    }
    return _table(
        ["Model", *(_label(name) for name in PROBLEM.labels)],
        [[model, *(_figure(found, m) for m in PROBLEM.labels)] for model, found in scores.items()],
    )


def scores_table(months: Sequence[Scores]) -> list[dict[str, Any]]:
    """Return the counts of scored months, a row each."""
    return [
        {
            PERIOD: Path(month.path).stem,
            "rows": month.rows,
            "scored": month.scored,
            **{f"rejected: {reason}": count for reason, count in month.rejected.items()},
            "file": str(month.path),
        }
        for month in months
    ]


def drift_report(
    inspection: Inspection, series: Mapping[str, Sequence[float]] | None = None
) -> str:
    """Write the markdown report of a month compared with what the champion learnt from.

    Args:
        inspection: What was found in the month.
        series: Each finding's values in all months that were looked at, in their order; flows
            that are older than this argument give none.
    """
    error, learnt = f"the {PERIOD} has no labels yet", f"version {inspection.model_version} learnt"
    if inspection.error is not None:
        before = f"it was {inspection.test_error:.3f} on its test {PERIOD}"
        error = f"{inspection.error:.3f} {PROBLEM.unit}".rstrip() + f"; {before}"
    known = series or {}
    worst_first = sorted(inspection.findings.items(), key=lambda item: -item[1].value)
    return "\n\n".join(
        [
            f"# {inspection.period}: {inspection.verdict}",
            f"{inspection.rows:,} {NOUN} compared with what {learnt}"
            f" from, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.",
            f"{PROBLEM.error_label}: {error}.",
            _table(
                ["Feature", f"PSI, or rise of the {PROBLEM.error_label}", "Verdict", "So far"],
                [
                    [f"`{name}`", f"{f.value:.3f}", f.judgement, _steps(name, known.get(name, []))]
                    for name, f in worst_first
                ],
            ),
            f"So far: a bar for each {PERIOD} that this version was compared with, the newest last;"
            " a full one is at the limit of an alarm.",
        ]
    )


def _steps(finding: str, values: Sequence[float]) -> str:
    """Draw values as bars, of which the fullest stands for the limit of an alarm."""
    settings = Settings()
    limit = settings.error_fail if finding == PROBLEM.error_label else settings.drift_fail
    shares = [min(max(value / limit if limit else 1, 0), 1) for value in values[-MOST:]]
    return "".join(BARS[round(share * (len(BARS) - 1))] for share in shares)


def _label(metric: str) -> str:
    has_unit = metric in WITH_UNIT and PROBLEM.unit
    return f"{PROBLEM.labels[metric]} ({PROBLEM.unit})" if has_unit else PROBLEM.labels[metric]


def _figure(metrics: Metrics, name: str) -> str:
    return f"{metrics[name]:z.3f}" if name in metrics else "-"


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _month_row(month: Month, use: str) -> list[object]:
    dropped = ", ".join(f"{count:,} {reason}" for reason, count in month.dropped.items() if count)
    counts = [f"{month.rows:,}", f"{month.kept:,}"]
    return [name_in(month.source), use, month.period, *counts, dropped or "none"]
