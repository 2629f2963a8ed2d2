"""What the kit asks of the user's modules, checked when it is read.

The only module of the kit that reads data.py, features.py and model.py.
"""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeAlias, get_args

import pyarrow as pa

from ... import data, features, model
from .problems import Problem

NAMES: dict[ModuleType, dict[str, tuple[Any, str]]] = {
    data: {
        "TIME": (str | None, "the name of the column that orders the rows, or None"),
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
        "TrainParams": (type, "a pydantic model of the estimator's params"),
        "make_estimator": (Callable, "a function of TrainParams that returns an estimator"),
    },
}

# The kinds of periods.
Kind = Literal["month", "week", "day"]


class ContractError(ValueError):
    """One of the user's modules lacks what the kit needs. The message says what to do."""


def _check_names() -> None:
    for module, names in NAMES.items():
        file = Path(str(module.__file__)).name
        for name, (kind, what) in names.items():
            if not hasattr(module, name):
                raise ContractError(f"{file}: {name} is missing; add it: {what}")
            if not isinstance(getattr(module, name), kind):
                raise ContractError(f"{file}: {name} is of another type; make it {what}")
    periods = get_args(Kind)
    if getattr(data, "PERIOD", "month") not in periods:
        raise ContractError(f"data.py: PERIOD is none of {', '.join(periods)}; make it one")
    if not isinstance(getattr(model, "TRUSTED_TYPES", []), list):
        raise ContractError("model.py: TRUSTED_TYPES is of another type; make it a list of names")
    if features.PER and len(model.PROBLEM.classes) > 2:  # noqa: PLR2004 two are numbers, 0 and 1
        raise ContractError("features.py: PER divides a number; with so many classes make it None")


def _check_columns() -> None:
    """Check that each column has one role."""
    names, time = data.SCHEMA.names, data.TIME
    twice = len({*names}) < len(names)
    used = [*filter(None, [time]), *data.LABELS, *data.REQUIRED, *data.RANGES]
    unknown = [column for column in used if column not in names]
    no_time = time in names and data.SCHEMA.field(time).type != pa.timestamp("us")
    leaks = data.TARGET in names and data.TARGET not in data.LABELS
    texts = [c for c in data.RANGES if c in names and pa.types.is_string(data.SCHEMA.field(c).type)]
    faults = {
        f"SCHEMA names a column twice ({', '.join(names)}); name each once": twice,
        f"'{', '.join(unknown)}' is not in SCHEMA; add it there, or take it out": bool(unknown),
        f"TIME ('{time}') is not timestamp(\"us\") in SCHEMA; make it one": no_time,
        f"TIME ('{time}') is in LABELS; a month to predict needs it": time in data.LABELS,
        f"TIME ('{time}') is not in REQUIRED; add it there": time and time not in data.REQUIRED,
        f"TARGET ('{data.TARGET}') is an input in SCHEMA; add it to LABELS": leaks,
        f"RANGES names texts ({', '.join(texts)}); leave them out": bool(texts),
    }
    for fault, is_there in faults.items():
        if is_there:
            raise ContractError(f"data.py: {fault}")


_check_names()
_check_columns()

# The column of times; "" if rows have none, and their file's name says of which period they are.
TIME, TARGET = data.TIME or "", data.TARGET
PERIOD: Kind = getattr(data, "PERIOD", "month")
SCHEMA, LABELS, REQUIRED, RANGES = data.SCHEMA, data.LABELS, data.REQUIRED, data.RANGES
clean = data.clean
NOUN, MAX_DROPPED_SHARE = data.NOUN, data.MAX_DROPPED_SHARE
# The raw columns that the model may use.
INPUTS = pa.schema([field for field in SCHEMA if field.name not in LABELS])
GROUPS, PER, build_features = features.GROUPS, features.PER, features.build_features
SEASONAL: tuple[str, ...] = getattr(features, "SEASONAL", ())
PROBLEM: Problem = model.PROBLEM
# Types that only the user's estimator holds; those of common ones are known.
TRUSTED_TYPES: list[str] = getattr(model, "TRUSTED_TYPES", [])
TrainParams: TypeAlias = model.TrainParams
make_estimator = model.make_estimator
SEARCH_SPACE: dict[str, tuple[float, float]] = getattr(model, "SEARCH_SPACE", {})
LOG_SCALE: set[str] = getattr(model, "LOG_SCALE", set())
