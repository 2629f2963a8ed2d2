"""Compare a raw month with what a model learnt from, batch by batch."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import pandas as pd

from ..settings import Settings
from . import drift, registry
from .files import file_digest
from .locations import DataError
from .modelling.contract import INPUTS, LABELS, PROBLEM, SCHEMA, SEASONAL, TIME
from .modelling.months import usable_rows
from .modelling.parquet import RawMonth
from .records import Champion, Finding, Inspection
from .runs import document
from .saved_model import Model

# Rows in memory at a time.
ROWS = 100_000
# The champion's metric that its error on a month is compared with.
TEST_ERROR = f"test_{PROBLEM.main}"


def inspect_with_champion(raw: Path, source: str, champion: Champion) -> Inspection:
    """Judge a raw month by the champion."""
    if TEST_ERROR not in champion.metrics:
        problem = f"version {champion.version}: its MLflow run has no {TEST_ERROR}"
        raise ValueError(f"{problem}; promote another version, or train again")
    reference = drift.Reference.model_validate(document(champion.run_id, drift.REFERENCE))
    with registry.load(champion.version) as model:
        return inspect(raw, source, champion, reference, model)


def inspect(
    raw: Path, source: str, champion: Champion, reference: drift.Reference, model: Model
) -> Inspection:
    """Judge a raw month: the drift of its features, and the model's error if it has labels.

    The limits are those of Settings. Raises DataError where the month cannot be used.
    """
    with RawMonth(raw, source, INPUTS) as month:
        period = month.period(TIME)
        labelled = set(LABELS) <= set(month.names)
    with RawMonth(raw, source, SCHEMA if labelled else INPUTS) as month:
        sums = _sum(usable_rows(month, period, ROWS), reference, model)
    if not sums.rows:
        raise DataError(f"{source}: has no usable rows; score it to see why")
    findings, settings = {}, Settings()
    psi_limits = settings.drift_warn, settings.drift_fail
    for name, found in sums.counts.items():
        expected = reference.features[name].array
        value = drift.psi(expected, found)
        # Predictions move with the features, seasonal ones too.
        limits = (inf, inf) if name in (*SEASONAL, drift.PREDICTIONS) else psi_limits
        judgement = drift.judge(value, limits, drift.noise(expected, found))
        findings[name] = Finding(value=value, judgement=judgement)
    error, test_error = None, champion.metrics[TEST_ERROR]
    if sums.labelled:
        error = float(PROBLEM.error(sums.losses / sums.labelled))
        error_limits = settings.error_warn, settings.error_fail
        findings[PROBLEM.error_label] = _rise(error, sums, test_error, error_limits)
    return Inspection(
        model_version=champion.version,
        period=period,
        digest=file_digest(raw),
        rows=sums.rows,
        findings=findings,
        error=error,
        test_error=test_error,
    )


@dataclass
class _Sums:
    """Rows, rows by feature and bin, and of those with a label the losses and their squares."""

    rows: int = 0
    counts: dict[str, drift.Counts] = field(default_factory=dict)
    labelled: int = 0
    losses: float = 0
    squares: float = 0


def _rise(error: float, sums: _Sums, test_error: float, limits: drift.Limits) -> Finding:
    rise = error / test_error - 1
    losses = sums.losses, sums.squares, sums.labelled
    chance = drift.noise_of_rise(*losses, test_error, PROBLEM.power)
    return Finding(value=rise, judgement=drift.judge(rise, limits, chance))


def _sum(
    parts: Iterable[tuple[pd.DataFrame, pd.Series | None]], reference: drift.Reference, model: Model
) -> _Sums:
    sums = _Sums()
    for X, y in parts:
        if not len(X):
            continue
        sums.rows += len(X)
        predicted = model.predict(X)
        answers = PROBLEM.columns(predicted)["prediction"]
        seen = model.features(X).assign(**{drift.PREDICTIONS: answers})
        for name, values in seen.items():
            bins = reference.features.get(str(name))
            if bins:
                sums.counts[str(name)] = sums.counts.get(str(name), 0) + bins.count(values)
        if y is not None:
            losses = PROBLEM.losses(y.to_numpy(), predicted)
            sums.labelled += len(X)
            sums.losses += float(losses.sum())
            sums.squares += float((losses**2).sum())
    return sums
