"""What the kit asks of the user's modules, checked when it is read.

The only module of the kit that reads data.py, features.py and model.py.
"""

import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from ... import data, features, model
from ..locations import DataError
from .problems import Problem

NAMES: dict[ModuleType, dict[str, tuple[Any, str]]] = {
    data: {
        "TIME": (str, "the name of the column that orders the rows"),
        "TARGET": (str, "the name of the column that is predicted"),
        "NOUN": (str, 'what a row is called, such as "orders"'),
        "SCHEMA": (pa.Schema, "the raw columns with their types"),
        "LABELS": (tuple, "the columns that only the target needs, as a tuple"),
        "REQUIRED": (tuple, "the columns without nulls, as a tuple"),
        "RANGES": (dict, "the known values of columns: {name: (from, to)}, or {}"),
        "MAX_DROPPED_SHARE": (float | int, "a share from 0 to 1"),
        "clean": (Callable, "a function of the raw rows that returns (rows, {reason: bad})"),
    },
    features: {
        "GROUPS": (tuple, "the names of the features that are categories, as a tuple, or ()"),
        "PER": (str | None, "the name of a feature to divide the target by, or None"),
        "build_features": (Callable, "a function of raw rows that returns features"),
    },
    model: {
        "PROBLEM": (Problem, "a Regression or a Classification"),
        "TRUSTED_TYPES": (list, "the types that a saved model may hold, as a list of names"),
        "TrainParams": (type, "a pydantic model of the estimator's params"),
        "make_estimator": (Callable, "a function of TrainParams that returns an estimator"),
    },
}


class ContractError(ValueError):
    """One of the user's modules lacks what the kit needs. The message says what to do."""


def _file(module: ModuleType) -> str:
    return Path(str(module.__file__)).name


def _check_names() -> None:
    for module, names in NAMES.items():
        for name, (kind, what) in names.items():
            if not hasattr(module, name):
                raise ContractError(f"{_file(module)}: {name} is missing; add it: {what}")
            if not isinstance(getattr(module, name), kind):
                raise ContractError(f"{_file(module)}: {name} is of another type; make it {what}")
    if features.PER and len(model.PROBLEM.classes) > 2:  # noqa: PLR2004 two are numbers, 0 and 1
        raise ContractError("features.py: PER divides a number; with so many classes make it None")


def _check_columns() -> None:
    """Check that each column has one role."""
    names, time = data.SCHEMA.names, data.TIME
    twice = len({*names}) < len(names)
    unknown = [c for c in (time, *data.LABELS, *data.REQUIRED, *data.RANGES) if c not in names]
    no_time = time in names and data.SCHEMA.field(time).type != pa.timestamp("us")
    leaks = data.TARGET in names and data.TARGET not in data.LABELS
    texts = [c for c in data.RANGES if c in names and pa.types.is_string(data.SCHEMA.field(c).type)]
    faults = {
        f"SCHEMA names a column twice ({', '.join(names)}); name each once": twice,
        f"'{', '.join(unknown)}' is not in SCHEMA; add it there, or take it out": bool(unknown),
        f"TIME ('{time}') is not timestamp(\"us\") in SCHEMA; make it one": no_time,
        f"TIME ('{time}') is in LABELS; a month to predict needs it": time in data.LABELS,
        f"TIME ('{time}') is not in REQUIRED; add it there": time not in data.REQUIRED,
        f"TARGET ('{data.TARGET}') is an input in SCHEMA; add it to LABELS": leaks,
        f"RANGES names texts ({', '.join(texts)}); leave them out": bool(texts),
    }
    for fault, is_there in faults.items():
        if is_there:
            raise ContractError(f"data.py: {fault}")


_check_names()
_check_columns()

TIME, TARGET = data.TIME, data.TARGET
SCHEMA, LABELS, REQUIRED = data.SCHEMA, data.LABELS, data.REQUIRED
NOUN, MAX_DROPPED_SHARE = data.NOUN, data.MAX_DROPPED_SHARE
# The raw columns that the model may use.
INPUTS = pa.schema([field for field in SCHEMA if field.name not in LABELS])
GROUPS, PER, build_features = features.GROUPS, features.PER, features.build_features
SEASONAL: tuple[str, ...] = getattr(features, "SEASONAL", ())
PROBLEM: Problem = model.PROBLEM
TRUSTED_TYPES = model.TRUSTED_TYPES
TrainParams: TypeAlias = model.TrainParams
make_estimator = model.make_estimator
SEARCH_SPACE: dict[str, tuple[float, float]] = getattr(model, "SEARCH_SPACE", {})
LOG_SCALE: set[str] = getattr(model, "LOG_SCALE", set())


def input_faults(rows: pd.DataFrame, period: str | None = None) -> dict[str, Any]:
    """Return why rows cannot be predicted: by reason, which rows. Period None: any."""
    present = [name for name in data.REQUIRED if name in rows]
    faults = {f"{name} is missing": pd.isna(rows[name].array) for name in present}
    for name, (low, high) in data.RANGES.items():
        if name in rows:
            values = rows[name].to_numpy()  # quick for one row; a null is no fault
            faults[f"{name} not from {low} to {high}"] = (values < low) | (values > high)
    if period:
        months = rows[TIME].to_numpy().astype("M8[M]")
        faults["outside the month"] = months != np.datetime64(period)
    return faults


def clean(rows: pd.DataFrame, period: str) -> tuple[pd.DataFrame, dict[str, int]]:
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
    first = np.select([np.asarray(bad, bool) for bad in faults.values()], range(len(faults)), -1)
    dropped = np.bincount(first + 1, minlength=len(faults) + 1)[1:]
    return rows[first < 0], dict(zip(faults, map(int, dropped), strict=True))


def _call_clean(rows: pd.DataFrame) -> Any:
    """Call the user's function; DataError if it fails, with its own words and line."""
    try:
        return data.clean(rows)
    except Exception as error:
        package = str(Path(str(data.__file__)).parent)  # not pandas, which the error comes from
        own = [f for f in traceback.extract_tb(error.__traceback__) if package in f.filename][-1]
        where = f"{Path(own.filename).name}:{own.lineno}"
        words = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataError(f"data.py: clean failed at {where}: {words}") from error
