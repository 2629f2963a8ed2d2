"""What tasks hand each other, and what flows return: paths, ids and small values."""

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field

from .locations import KeptLocation

Metrics = dict[str, float]
Count = Annotated[int, Field(ge=1)]
Judgement = Literal["ok", "warn", "fail"]
# From the best to the worst.
JUDGEMENTS: tuple[Judgement, ...] = get_args(Judgement)


class Month(BaseModel):
    """A cleaned month: where it lies and what was kept of it."""

    source: KeptLocation
    path: Path
    digest: str
    period: str
    rows: int
    kept: int
    dropped: dict[str, int]


class Evaluation(BaseModel):
    """A fitted pipeline, what it learnt from, and how it does on the test month."""

    pipeline: Path
    months: list[Month]
    test: Month
    params: dict[str, Any]
    metrics: Metrics
    baseline: Metrics  # of what always says the mean, or the classes' shares
    importance: dict[str, float]
    predictions: Path


class Verdict(BaseModel):
    """Whether a challenger is to be promoted over its rival, and why, in a sentence."""

    promoted: bool
    reason: str
    rival: str
    rival_metrics: Metrics


class TrainResult(BaseModel):
    """How a training ended; the metrics are those on the test month, by name."""

    run_id: str  # the MLflow run's
    model_version: int
    metrics: Metrics
    promoted: bool
    reason: str

    @property
    def summary(self) -> str:
        """Whether the version was promoted, and why."""
        outcome = "promoted" if self.promoted else "not promoted"
        return f"Version {self.model_version} {outcome}: {self.reason}"


class TuneResult(BaseModel):
    """The best params of a search; errors are those on the newest 15% of the training rows."""

    run_id: str  # the MLflow run's, whose nested runs are the trials
    params: dict[str, Any]
    error: float
    default_error: float
    reason: str


class Champion(BaseModel):
    """The version of the registered model that is in use."""

    version: int
    run_id: str
    metrics: Metrics


class Scores(BaseModel):
    """A scored month: where its predictions lie, and why rows have none."""

    source: KeptLocation
    path: Path | str  # or an address
    rows: int
    scored: int
    rejected: dict[str, int]


class ScoreResult(BaseModel):
    """What was predicted, by which version."""

    model_version: int
    months: list[Scores]

    @property
    def summary(self) -> str:
        """How many rows were scored, and where the predictions are."""
        scored, rows = (sum(getattr(m, name) for m in self.months) for name in ("scored", "rows"))
        files = ", ".join(str(month.path) for month in self.months)
        return f"Scored {scored:,} of {rows:,} rows with version {self.model_version}: {files}"


class Finding(BaseModel):
    """A feature's PSI, or the share by which the error rose; and whether that is too much."""

    value: float
    judgement: Judgement


class Inspection(BaseModel):
    """What was found in the usable rows of a month; `error` is None without labels."""

    model_version: int
    period: str
    digest: str
    rows: int
    findings: dict[str, Finding]
    error: float | None
    test_error: float

    @property
    def verdict(self) -> Judgement:
        """The worst of the findings."""
        judgements = [finding.judgement for finding in self.findings.values()]
        return max(judgements, key=JUDGEMENTS.index)

    @property
    def summary(self) -> str:
        """The verdict, and the findings that led to it."""
        of = [name for name, found in self.findings.items() if found.judgement == self.verdict]
        found = self.verdict if self.verdict == "ok" else f"{self.verdict} ({', '.join(of)})"
        return f"{self.period} compared with what version {self.model_version} learnt from: {found}"


class RetrainResult(BaseModel):
    """How the month was, and what followed; without a training the champion stays."""

    monitoring: Inspection
    training: TrainResult | None = None
    scoring: ScoreResult | None = None
