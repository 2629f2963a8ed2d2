"""Categories of features: texts or whole numbers, and the places of those that were learnt."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .problems import Floats

Features = NDArray[np.float32]
# What encodes a batch, whose first row has this number among all.
Encode = Callable[[pd.DataFrame, int], Features]
# Categories that were learnt: sorted, integers or texts.
Levels = Any
NO_LEVELS: Levels = np.array([], np.int64)
# Above it, floats of 32 bits miss whole numbers.
LARGEST_FLOAT32 = 2**24


def grow(name: str, levels: Levels, sums: Floats, more: Levels) -> tuple[Levels, Floats]:
    """Make room for categories in sums (..., n).

    The first place is for what is none of the levels, the last for what is missing.
    """
    if len(levels) and len(more) and levels.dtype.kind != more.dtype.kind:
        raise ValueError(f"group '{name}' holds numbers and texts; make them one of both")
    merged = np.union1d(levels, more) if len(levels) and len(more) else np.unique(more)
    if not len(more) or len(merged) == len(levels):
        return levels, sums
    grown = np.zeros((*sums.shape[:-1], len(merged) + 2))
    grown[..., places_of(levels, merged)] = sums
    return merged, grown


def places_of(levels: Levels, among: Levels) -> NDArray[np.int64]:
    """Return the places of levels among more levels, with the first place and the last."""
    return np.concatenate([[0], np.searchsorted(among, levels) + 1, [len(among) + 1]])


def codes_of(codes: NDArray[np.int64], found: Any, levels: Levels) -> NDArray[np.int64]:
    """Return the place among the levels of what `read_categories` found; 0 if it is unknown."""
    places = np.zeros(len(found), np.int64)
    if len(levels) and levels.dtype.kind == found.dtype.kind:
        near = np.minimum(np.searchsorted(levels, found), len(levels) - 1)
        places = np.where(levels[near] == found, near + 1, 0)
    # Missing values have the code -1, and so the last of these.
    return np.append(places, len(levels) + 1)[codes]


def read_number(X: pd.DataFrame, name: str) -> Any:
    """Return a feature as numbers of 32 bits. Raises ValueError, with its name, if it is none."""
    try:
        values = X[name].to_numpy(np.float32, na_value=np.nan)
    except (TypeError, ValueError) as error:
        problem = f"feature '{name}' is no number ({error})"
        raise ValueError(f"{problem}; make it one, or name it in GROUPS") from None
    if np.isinf(values).any():
        raise ValueError(f"feature '{name}' is infinite in some rows; make it a number or null")
    return values


def read_categories(X: pd.DataFrame, name: str) -> tuple[NDArray[np.int64], Any]:
    """Return for each row the position of its category, -1 for none, and the categories."""
    column = X[name]
    codes, found = pd.factorize(column)
    if column.dtype == np.int64:
        return codes, np.asarray(found)
    values = pd.Index(np.asarray(found)).infer_objects()  # not what holds them, but what they are
    if pd.api.types.infer_dtype(values).startswith("mixed"):
        raise ValueError(f"group '{name}' holds numbers and texts; make them one of both")
    if not pd.api.types.is_numeric_dtype(values.dtype):
        return codes, np.asarray(values, str)
    numbers = np.asarray(values, np.float64 if values.dtype.kind == "f" else np.int64)
    odd = numbers[~(np.isfinite(numbers) & (np.floor(numbers) == numbers))]
    if len(odd):
        raise ValueError(f"group '{name}' holds {odd[0]}; use whole numbers or texts")
    if column.dtype == np.float32 and (np.abs(numbers) > LARGEST_FLOAT32).any():
        raise ValueError(f"group '{name}' is float32, which joins large numbers; use integers")
    return codes, numbers.astype(np.int64)
