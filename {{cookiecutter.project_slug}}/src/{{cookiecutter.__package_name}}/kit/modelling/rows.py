"""Rows: which of them are bad, by what data.py says of them."""

import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..locations import DataError
from ..project import PACKAGE_FOLDER
from .contract import PERIOD, PROBLEM, RANGES, REQUIRED, TARGET, TIME, ContractError, clean
from .periods import first_day_of, first_days


def input_faults(rows: pd.DataFrame, period: str | None = None) -> dict[str, Any]:
    """Return why rows cannot be predicted: by reason, which rows. Period None: any."""
    present = [name for name in REQUIRED if name in rows]
    faults = {f"{name} is missing": pd.isna(rows[name].array) for name in present}
    for name, (low, high) in RANGES.items():
        if name in rows:
            values = rows[name].to_numpy()  # quick for one row; a null is no fault
            faults[f"{name} not from {low} to {high}"] = (values < low) | (values > high)
    if period and TIME:
        faults[f"outside the {PERIOD}"] = first_days(rows[TIME].to_numpy()) != first_day_of(period)
    return faults


def clean_rows(rows: pd.DataFrame, period: str) -> tuple[pd.DataFrame, dict[str, int]]:
    """Clean rows as data.py says: those to keep, with the target; and how many went, by reason."""
    rows = rows.reset_index(drop=True)
    inputs, found = input_faults(rows, period), _call_clean(rows)
    kinds = [type(part) for part in found] if isinstance(found, tuple) else []
    if kinds != [pd.DataFrame, dict] or any(len(bad) != len(rows) for bad in found[1].values()):
        raise ContractError("data.py: clean has to return (rows, {reason: bad rows})")
    cleaned, faults = found
    if not cleaned.index.equals(rows.index) or TARGET not in cleaned:
        raise ContractError(f"data.py: clean has to return all rows in order, with '{TARGET}'")
    target, unknown = PROBLEM.encode(cleaned[TARGET])
    faults = inputs | faults | {f"{TARGET} is {PROBLEM.unknown}": unknown}
    return drop(cleaned.assign(**{TARGET: target}), faults)


def drop(rows: pd.DataFrame, faults: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the rows without a fault, and how many were dropped by their first one."""
    first = first_faults(faults, len(rows))
    dropped = np.bincount(first + 1, minlength=len(faults) + 1)[1:]
    return rows[first < 0], dict(zip(faults, map(int, dropped), strict=True))


def first_faults(faults: dict[str, Any], rows: int) -> NDArray[np.int64]:
    """Return the position of each row's first fault, of shape (n,); -1 without one."""
    first = np.full(rows, -1)
    for position, bad in reversed([*enumerate(faults.values())]):
        first[np.asarray(bad, bool)] = position
    return first


def _call_clean(rows: pd.DataFrame) -> Any:
    """Call the user's function; DataError if it fails, with its own words and line."""
    try:
        return clean(rows)
    except Exception as error:
        # Not pandas, which the error comes from.
        frames, package = traceback.extract_tb(error.__traceback__), str(PACKAGE_FOLDER)
        own = [frame for frame in frames if package in frame.filename][-1]
        where = f"{Path(own.filename).name}:{own.lineno}"
        words = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataError(f"data.py: clean failed at {where}: {words}") from error
