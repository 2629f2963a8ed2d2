"""Periods, the months, weeks or days that rows belong to: their first days and their names."""

import re
from datetime import date, datetime, timedelta, timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..locations import DataError, name_in
from .contract import PERIOD, Kind

MONTH = r"(?<!\d)(?P<year>(?:19|20)\d\d)[-_]?(?P<month>0[1-9]|1[0-2])"
# What says in a name which period it is; a week also by one of its days, such as its Monday.
NAMES = {
    "month": re.compile(rf"{MONTH}(?:[-_]?[0-3]\d)?(?!\d)"),
    "week": re.compile(
        rf"(?<!\d)(?P<iso>20\d\d-?W[0-5]\d)(?!\d)|{MONTH}[-_]?(?P<day>[0-3]\d)(?!\d)"
    ),
    "day": re.compile(rf"{MONTH}[-_]?(?P<day>[0-3]\d)(?!\d)"),
}
EXAMPLES = {"month": "2024-01", "week": "2024-W05", "day": "2024-01-31"}
UNITS = {"month": "M8[M]", "week": "M8[D]", "day": "M8[D]"}


def first_days(times: Any, kind: Kind = PERIOD) -> NDArray[np.datetime64]:
    """Return the first day of the period of each time, of shape (n,); weeks begin on Mondays."""
    days: NDArray[np.datetime64] = np.asarray(times).astype(UNITS[kind]).astype("M8[D]")
    if kind == "week":
        weekday = (days.astype(np.int64) + 3) % 7  # 1970 began on a Thursday
        days -= weekday.astype("m8[D]")
    return days


def name_of(first_day: Any, kind: Kind = PERIOD) -> str:
    """Return the name of a period, such as 2024-01, 2024-W05 or 2024-01-31: in order of time."""
    day = np.datetime64(first_day, "D").item()
    if kind == "week":
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02}"
    return str(day)[: len(EXAMPLES[kind])]


def first_day_of(period: str) -> np.datetime64:
    """Return the first day of a period that is given by its name."""
    is_month = len(period) == len(EXAMPLES["month"])
    return np.datetime64(date.fromisoformat(f"{period}-01" if is_month else period))


def find_in_name(location: str, kind: Kind = PERIOD) -> str | None:
    """Return the last period in the name of a file or a table; None: there is none."""
    text = name_in(location)
    for found in reversed([*NAMES[kind].finditer(text)]):
        part = found.groupdict()
        try:
            if part.get("iso"):
                return name_of(date.fromisoformat(part["iso"]), kind)
            day = date(int(part["year"]), int(part["month"]), int(part.get("day") or 1))
        except ValueError:  # such as the 31st of June
            continue
        return name_of(first_days([np.datetime64(day)], kind)[0], kind)
    return None


def in_name(location: str) -> str:
    """Return the period in a name. Raises DataError if there is none."""
    found = find_in_name(location)
    if not found:
        example = f"sales_{EXAMPLES[PERIOD]}.parquet"
        raise DataError(f"{location}: no {PERIOD} in its name; call it like {example}")
    return found


def check_past(period: str, source: str) -> None:
    """Raise DataError if a period has begun nowhere on earth yet.

    It would stay the newest, and every later model would be tested on it.
    """
    east = datetime.now(timezone(timedelta(hours=14))).date()
    if first_day_of(period) > np.datetime64(east):
        problem = f"{source}: is of {period}, which has not begun"
        raise DataError(f"{problem}; check the file and its name, or this machine's clock")
