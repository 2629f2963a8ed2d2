"""Which months there are, where they lie, and a local file of each."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from . import splitting, stores
from .csv_files import as_parquet, is_csv
from .locations import DataError, file_name, name_in, refuse_password
from .modelling.contract import PERIOD, TIME
from .modelling.periods import EXAMPLES, check_past, find_in_name, in_name


def choose_months(
    train: Sequence[str] | None,
    test: str | None,
    window: int | None,
    location: str,
    folder: Path,
) -> tuple[list[str], str]:
    """Return the months to train on and the one to test on, as paths or addresses.

    What is not given comes from the data location: the newest month for the test, and for the
    training those before it; of these the newest `window`. Raises DataError if none is left.
    """
    newest = find_months([test] if test else None, location, folder)[-1]
    if train:
        months = find_months(train, location, folder)
    else:
        found = list_months(location, folder)
        months = [month for month in found if in_name(month) < in_name(newest)]
    if not months:
        raise DataError(f"{location}: no {PERIOD} before {newest} to train on; add one")
    return months[-(window or 0) :], newest


def find_months(given: Sequence[str] | None, location: str, folder: Path) -> list[str]:
    """Return the months in what is given, oldest first, or the newest one of a data location."""
    for path in given or ():
        refuse_password(path)
    return _months_in(given, "given", folder) if given else [newest_month(location, folder)]


def newest_month(location: str, folder: Path) -> str:
    """Return the newest month; DataError if it comes in several files, as none of them is whole."""
    found = list_months(location, folder)
    period = in_name(found[-1])
    newest = [name_in(month) for month in found if in_name(month) == period]
    if len(newest) > 1:
        raise DataError(
            f"{location}: {len(newest)} files are of {period}, the newest {PERIOD} "
            f"({', '.join(newest[:3])}{', ...' if newest[3:] else ''}); keep one "
            "of them there, or put them into one file, such as with `uv run poe split`"
        )
    return found[-1]


def list_months(location: str, folder: Path) -> list[str]:
    """Return the months of a folder, file, address or database, oldest first.

    Files whose names have no month are read, and cut into months in `folder`. Raises DataError if
    there are no months.
    """
    refuse_password(location)
    if location.startswith(stores.DATABASE) and not _is_table(location):
        found = stores.list_tables(location)
        months = _in_order(table for table in found if find_in_name(table))
    else:
        single = _is_table(location) or _is_file(location)
        found = [location] if single else stores.list_files(location)
        files = [path for path in found if single or _is_file(path)]
        months = _months_in(files, Path(name_in(location.rstrip("/"))).stem, folder)
    if not months:
        raise DataError(_nothing(location, found))
    check_past(in_name(months[-1]), months[-1])
    return months


def fetch(location: str, folder: Path) -> Path:
    """Return a local parquet file of a month: a copy in `folder`, unless it is one already."""
    refuse_password(location)
    path = Path(location) if "://" not in location else stores.copy(location, folder)
    return as_parquet(path, location, folder) if is_csv(location) else path


def _months_in(locations: Sequence[str], name: str, folder: Path) -> list[str]:
    """Return the months that files hold: those that their names say, and those of the other rows.

    The others are one table, whose months are files in `folder`.
    """
    others = [location for location in locations if not find_in_name(location)]
    if others and not TIME:
        in_name(others[0])
    months = [location for location in locations if location not in others]
    if others:
        name = Path(file_name(others[0])).stem if len(others) == 1 else name
        raws = [fetch(location, folder) for location in others]
        months += map(str, splitting.split(raws, others, name, folder))
    return _in_order(months)


def _in_order(months: Iterable[str]) -> list[str]:
    return sorted(months, key=lambda month: (in_name(month), month))


def _is_file(location: str) -> bool:
    return name_in(location).lower().endswith(".parquet") or is_csv(location)


def _is_table(location: str) -> bool:
    is_database = location.startswith(stores.DATABASE)
    return is_database and bool({"table", "query"} & {*parse_qs(urlsplit(location).query)})


def _nothing(location: str, found: list[str]) -> str:
    example = f"sales_{EXAMPLES[PERIOD]}"
    if location.startswith(stores.DATABASE):
        table = example.replace("-", "_")
        return f"{location}: no table with a {PERIOD} in its name, such as {table}; or add ?table="
    kinds = Counter(Path(name_in(path)).suffix or "folders and others" for path in found)
    there = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(3)) or "no others"
    advice = f"add {PERIOD}s like {example}.parquet, or set the data location"
    return f"{location}: no parquet or CSV files, but {there}; {advice}"
