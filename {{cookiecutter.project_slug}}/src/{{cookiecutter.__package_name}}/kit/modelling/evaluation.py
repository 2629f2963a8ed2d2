"""How good predictions are, and whether one model is better than another beyond noise."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel

from ..files import replacing
from ..records import Evaluation, Month, Verdict
from . import parts
from .contract import PROBLEM, TARGET, TIME
from .months import read
from .pipeline import importance, load
from .problems import Floats

# Chance that a model that is no better is promoted: of the interval's lower end, and of the test.
LEVEL = 0.025
RESAMPLES = 2_000
# Sums over random blocks of rows stand for the rows: as good, and quick on millions of them.
BLOCKS = 2_000
# Below it a difference is one of rounding.
SAME = 5e-6


def evaluate(pipeline: Path, months: list[Month], test: Month, params: BaseModel) -> Evaluation:
    """Measure on the test month; what was predicted is written next to the pipeline."""
    X, y = read([test.path])
    actual, fitted = y.to_numpy(), load(pipeline)
    predicted = PROBLEM.predict(fitted, X)
    learnt = parts.parts_of([month.path for month in months])
    targets = (parts.read(part, [TARGET])[TARGET].to_numpy() for part in learnt)
    baseline = PROBLEM.baseline(targets, len(y))
    tables = {"predicted": predicted, "baseline": baseline}
    columns = [pd.DataFrame(values).add_prefix(name) for name, values in tables.items()]
    path = pipeline.with_suffix(".predictions.parquet")
    with replacing(path) as temporary:
        times = X[[TIME]] if TIME else X[[]]
        pd.concat([times.assign(actual=actual), *columns], axis=1).to_parquet(temporary)
    return Evaluation(
        pipeline=pipeline,
        months=months,
        test=test,
        params=params.model_dump(),
        metrics=PROBLEM.metrics(actual, predicted),
        baseline=PROBLEM.metrics(actual, baseline),
        importance=importance(fitted, X, actual),
        predictions=path,
    )


def read_predictions(path: Path) -> tuple[pd.Series | None, Floats, Floats, Floats]:
    """Return times (or None), target, predictions and baseline, as `evaluate` wrote them."""
    table = pd.read_parquet(path)
    found = [table.filter(regex=f"^{name}\\d+$").to_numpy() for name in ("predicted", "baseline")]
    predicted, baseline = (values if PROBLEM.classes else values[:, 0] for values in found)
    times = table[TIME] if TIME else None
    return times, table["actual"].to_numpy(), predicted, baseline


def compare(
    y: Floats, challenger: Floats, rival: Floats, rival_name: str, min_gain: float
) -> Verdict:
    """Compare two models by their predictions of the same rows.

    The gain is the share of the rival's error that the challenger saves. To be promoted it has to
    reach `min_gain` (a new seed alone moves the error by a few tenths of a percent), the 95%
    interval of a paired bootstrap (Efron and Tibshirani 1993, ch. 13) has to lie above zero, and
    a paired randomization test (Fisher 1935), which holds its level with few rows too, has to
    agree. Both take the rows as independent of each other.
    """
    losses = PROBLEM.losses(y, challenger), PROBLEM.losses(y, rival)
    low, gain, high = _gain_interval(*losses)
    label, metrics = PROBLEM.error_label, PROBLEM.metrics(y, challenger)
    if limit := PROBLEM.beyond_limits(metrics):
        why = limit
    elif gain <= -SAME:
        why = "worse"
    elif not gain >= min_gain:  # nor if it is not a number
        why = f"less than the gain of {min_gain:.1%} that is asked for"
    elif not (low > 0 and _chance(*losses) <= LEVEL):
        why = "which may be noise"
    else:
        why = "beyond noise"
    figure = np.format_float_positional(metrics[PROBLEM.main], 4, unique=False, fractional=False)
    error = f"{figure.rstrip('.')} {PROBLEM.unit}".rstrip()
    measured = f"test {label} {error}, {_difference(low, gain, high, rival_name)}"
    return Verdict(
        promoted=why == "beyond noise",
        reason=f"{measured}, {why}",
        rival=rival_name,
        rival_metrics=PROBLEM.metrics(y, rival),
    )


def _difference(low: float, gain: float, high: float, rival: str) -> str:
    if abs(gain) < SAME:
        return f"the same as {rival}"
    if not gain > 0:
        low, high = -high, -low
    side = "below" if gain > 0 else "above"
    return f"{abs(gain):.1%} {side} {rival} (95% CI {100 * low:.1f} to {high:.1%})"


def _gain_interval(challenger: Floats, rival: Floats) -> tuple[float, float, float]:
    """Return the low, observed and high gain in error, from the losses of the same rows."""
    rng = np.random.default_rng(0)
    sums = _blocks(rng, challenger, rival)
    blocks = sums.shape[1]
    weights = rng.multinomial(blocks, np.full(blocks, 1 / blocks), RESAMPLES)
    drawn = weights @ sums.T
    with np.errstate(invalid="ignore", divide="ignore"):  # a rival without any error
        gains = 1 - PROBLEM.error(drawn[:, 0] / drawn[:, 1])
        observed = 1 - PROBLEM.error(sums[0].sum() / sums[1].sum())
        low, high = np.quantile(gains, [LEVEL, 1 - LEVEL])
    return float(low), float(observed), float(high)


def _chance(challenger: Floats, rival: Floats) -> float:
    """Return how often a swap of the models in random rows leaves as large a difference."""
    rng = np.random.default_rng(1)
    difference = np.diff(_blocks(rng, challenger, rival), axis=0)[0]
    signs = rng.choice([-1.0, 1.0], (RESAMPLES, len(difference)))
    larger = np.count_nonzero(signs @ difference >= difference.sum() * (1 - 1e-12))
    return (larger + 1) / (RESAMPLES + 1)


def _blocks(rng: np.random.Generator, *losses: Floats) -> Any:
    count = min(BLOCKS, len(losses[0]))
    block = rng.permutation(len(losses[0])) % count
    return np.stack([np.bincount(block, loss, count) for loss in losses])
