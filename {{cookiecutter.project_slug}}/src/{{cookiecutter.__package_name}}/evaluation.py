"""How good predictions are, and whether one model is better than another beyond noise."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from .checkpoints import replacing

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Floats = NDArray[np.float64]

BASELINE = "baseline (always the mean)"
"""The rival of a first model, which has no champion to beat."""


class Metrics(BaseModel):
    """Errors in the unit of the target (rmse, mae), and the share of variance explained (r2)."""

    rmse: float
    mae: float
    r2: float


class Evaluation(BaseModel):
    """How a model does on the test month, beside a baseline that always says the mean."""

    metrics: Metrics
    baseline: Metrics
    importance: dict[str, float]
    predictions: Path


class Verdict(BaseModel):
    """Whether a challenger is to be promoted over its rival, and why, in a sentence."""

    promoted: bool
    reason: str
    rival: str
    rival_metrics: Metrics


def evaluate(y: Sequence[float] | Any, predicted: Sequence[float] | Any) -> Metrics:
    """Metrics of predictions against the truth, both of shape (n,)."""
    error = np.asarray(predicted, dtype=float) - np.asarray(y, dtype=float)
    return Metrics(
        rmse=float(np.sqrt(np.mean(error**2))),
        mae=float(np.mean(np.abs(error))),
        r2=float(1 - np.mean(error**2) / np.var(y)),
    )


def evaluate_pipeline(
    pipeline: "Pipeline", train: Sequence[Path], test: Path, predictions: Path
) -> Evaluation:
    """Measure on the test month, and write time, actual, predicted and baseline to a file."""
    from . import data, streaming
    from .features import importance

    X, y = data.read([test])
    predicted = pipeline.predict(X)
    table = X[[data.TIME]].assign(
        actual=y, predicted=predicted, baseline=streaming.target_mean(train)
    )
    with replacing(predictions) as temporary:
        table.to_parquet(temporary)
    return Evaluation(
        metrics=evaluate(y, predicted),
        baseline=evaluate(y, table["baseline"]),
        importance=importance(pipeline),
        predictions=predictions,
    )


def is_better(
    y: Floats, challenger: Floats, rival: Floats, rival_name: str, min_gain: float
) -> Verdict:
    """Compare two models by their predictions of the same rows, each of shape (n,).

    The gain is the share of the rival's RMSE that the challenger saves. It has to reach
    `min_gain` (a new seed alone moves RMSE by a few tenths of a percent), and the 95% interval
    of a paired bootstrap (Efron and Tibshirani 1993, ch. 13) has to lie above zero.
    """
    low, gain, high = _gain_interval((y - challenger) ** 2, (y - rival) ** 2)
    change = f"{abs(gain):.2%} {'lower' if gain > 0 else 'higher'} than that of the {rival_name}"
    measured = f"RMSE {change} (95% interval of the gain: {low:+.2%} to {high:+.2%})"
    if not gain >= min_gain:  # nor if it is not a number
        why = f"not the gain of {min_gain:.1%} that is asked for"
    elif not low > 0:
        why = "which may be noise"
    else:
        why = "beyond noise"
    return Verdict(
        promoted=why == "beyond noise",
        reason=f"{measured}, {why}",
        rival=rival_name,
        rival_metrics=evaluate(y, rival),
    )


def _gain_interval(
    challenger: Floats, rival: Floats, resamples: int = 500, blocks: int = 2000
) -> tuple[float, float, float]:
    """Low, observed and high gain in RMSE, from squared errors of the same rows."""
    # Sums over random blocks of rows stand for the rows: as good, and quick on millions of them.
    rng = np.random.default_rng(0)
    blocks = min(blocks, len(rival))
    block = rng.permutation(len(rival)) % blocks
    sums = np.stack([np.bincount(block, errors, blocks) for errors in (challenger, rival)])
    weights = rng.multinomial(blocks, np.full(blocks, 1 / blocks), resamples)
    drawn = weights @ sums.T
    with np.errstate(invalid="ignore", divide="ignore"):  # a rival without any error
        gains = 1 - np.sqrt(drawn[:, 0] / drawn[:, 1])
        observed = 1 - np.sqrt(sums[0].sum() / sums[1].sum())
        low, high = np.quantile(gains, [0.025, 0.975])
    return float(low), float(observed), float(high)
