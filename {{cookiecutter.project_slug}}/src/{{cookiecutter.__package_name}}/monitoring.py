"""Look at a raw month beside what a model learnt from, batch by batch."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from . import data
from .checkpoints import file_digest
from .drift import Counts, Judgement, Limits, Reference, judge, make_bins, noise, psi
from .features import GROUPS, build_features
from .isolation import Model
from .parquet import DataError, batches, open_month, period_of
from .streaming import parts_of, sample

ROWS = 100_000
"""Rows in memory at a time."""


class Finding(BaseModel):
    """A feature's PSI, or the share by which the RMSE rose; and whether that is too much."""

    value: float
    judgement: Judgement


class Inspection(BaseModel):
    """What was found in the usable rows of a month; `rmse` is None without labels."""

    period: str
    digest: str
    rows: int
    findings: dict[str, Finding]
    rmse: float | None
    test_rmse: float

    @property
    def verdict(self) -> Judgement:
        """The worst of the findings."""
        judgements = [finding.judgement for finding in self.findings.values()]
        return max(judgements, key=["ok", "warn", "fail"].index)


def make_reference(paths: Sequence[Path]) -> Reference:
    """The bins of cleaned months, from rows at even distances."""
    features = build_features(sample(parts_of(paths), data.INPUTS.names)).items()
    bins = {str(name): make_bins(values, name in GROUPS) for name, values in features}
    return Reference(features=bins)


def inspect(
    raw: Path,
    source: str,
    reference: Reference,
    model: Model,
    test_rmse: float,
    psi_limits: Limits,
    rmse_limits: Limits,
) -> Inspection:
    """Judge a raw month: the drift of its features, and the model's error if it has labels.

    Raises DataError where the month cannot be used.
    """
    with open_month(raw, source, data.INPUTS) as file:
        period = period_of(file, data.TIME, source)
        rows, counts, squares = _sums(_usable(file, period), reference, model)
    if not rows:
        raise DataError(f"{source}: has no usable rows; score it to see why")
    findings = {}
    for name, found in counts.items():
        expected = reference.features[name].array
        value = psi(expected, found)
        judgement = judge(value, psi_limits, noise(expected, found))
        findings[name] = Finding(value=value, judgement=judgement)
    rmse = None if squares is None else (squares / rows) ** 0.5
    if rmse is not None:
        rise = rmse / test_rmse - 1
        findings["RMSE"] = Finding(value=rise, judgement=judge(rise, rmse_limits))
    return Inspection(
        period=period,
        digest=file_digest(raw),
        rows=rows,
        findings=findings,
        rmse=rmse,
        test_rmse=test_rmse,
    )


def _sums(
    parts: Iterable[tuple[pd.DataFrame, pd.Series | None]], reference: Reference, model: Model
) -> tuple[int, dict[str, Counts], float | None]:
    """Rows, rows by feature and bin, and the sum of the squared errors if there are labels."""
    rows, squares = 0, None
    counts: dict[str, Counts] = {}
    for X, y in parts:
        rows += len(X)
        for name, values in build_features(X).items():
            bins = reference.features.get(str(name))
            if bins:
                counts[str(name)] = counts.get(str(name), 0) + bins.count(values)
        if y is not None:
            squares = (squares or 0.0) + float(((model.predict(X) - y) ** 2).sum())
    return rows, counts, squares


def _usable(file: pq.ParquetFile, period: str) -> Iterator[tuple[pd.DataFrame, pd.Series | None]]:
    """The rows that training or scoring would take, and their target if the month has labels."""
    labelled = _has_labels(file)
    for batch in batches(file, data.SCHEMA if labelled else data.INPUTS, ROWS):
        rows = batch.to_pandas()
        if labelled:
            rows, _ = data.clean(rows, period)
        else:
            rows, _ = data.drop(rows, data.input_faults(rows, period))
        if len(rows):
            yield rows[data.INPUTS.names], rows[data.TARGET] if labelled else None


def _has_labels(file: pq.ParquetFile) -> bool:
    """Whether any row has all labels."""
    labels = pa.schema([data.SCHEMA.field(name) for name in data.LABELS])
    there = set(labels.names) <= set(file.schema_arrow.names)
    return there and any(len(batch.to_pandas().dropna()) for batch in batches(file, labels, ROWS))
