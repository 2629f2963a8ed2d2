"""Look at a raw month beside what a model learnt from, batch by batch."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from pydantic import BaseModel

from . import data
from .checkpoints import file_digest
from .drift import (
    Counts,
    Judgement,
    Limits,
    Reference,
    judge,
    make_bins,
    noise,
    noise_of_rise,
    psi,
)
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

    @property
    def summary(self) -> str:
        """The verdict, and which findings it comes of."""
        of = [name for name, found in self.findings.items() if found.judgement == self.verdict]
        return self.verdict if self.verdict == "ok" else f"{self.verdict} ({', '.join(of)})"


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
        sums = _sum(_usable(file, period), reference, model)
    if not sums.rows:
        raise DataError(f"{source}: has no usable rows; score it to see why")
    findings = {}
    for name, found in sums.counts.items():
        expected = reference.features[name].array
        value = psi(expected, found)
        judgement = judge(value, psi_limits, noise(expected, found))
        findings[name] = Finding(value=value, judgement=judgement)
    rmse = None
    if sums.labelled:
        rmse = (sums.squares / sums.labelled) ** 0.5
        rise = rmse / test_rmse - 1
        chance = noise_of_rise(sums.squares, sums.fourths, sums.labelled, test_rmse)
        findings["RMSE"] = Finding(value=rise, judgement=judge(rise, rmse_limits, chance))
    return Inspection(
        period=period,
        digest=file_digest(raw),
        rows=sums.rows,
        findings=findings,
        rmse=rmse,
        test_rmse=test_rmse,
    )


@dataclass
class _Sums:
    """Rows, rows by feature and bin, and of those with a label the errors' powers."""

    rows: int = 0
    counts: dict[str, Counts] = field(default_factory=dict)
    labelled: int = 0
    squares: float = 0
    fourths: float = 0


def _sum(
    parts: Iterable[tuple[pd.DataFrame, pd.Series | None]], reference: Reference, model: Model
) -> _Sums:
    sums = _Sums()
    for X, y in parts:
        if not len(X):
            continue
        sums.rows += len(X)
        for name, values in model.features(X).items():
            bins = reference.features.get(str(name))
            if bins:
                sums.counts[str(name)] = sums.counts.get(str(name), 0) + bins.count(values)
        if y is not None:
            squares = (model.predict(X) - y) ** 2
            sums.labelled += len(X)
            sums.squares += float(squares.sum())
            sums.fourths += float((squares**2).sum())
    return sums


def _usable(file: pq.ParquetFile, period: str) -> Iterator[tuple[pd.DataFrame, pd.Series | None]]:
    """The rows that training would take, with their target; without labels, those to predict."""
    labelled = set(data.LABELS) <= set(file.schema_arrow.names)
    for batch in batches(file, data.SCHEMA if labelled else data.INPUTS, ROWS):
        rows = batch.to_pandas()
        known = rows.reindex(columns=[*data.LABELS]).notna().all(axis=1)
        if known.any():
            kept, _ = data.clean(rows[known], period)
            yield kept[data.INPUTS.names], kept[data.TARGET]
        if not known.all():
            rest = rows.loc[~known, data.INPUTS.names]
            yield data.drop(rest, data.input_faults(rest, period))[0], None
