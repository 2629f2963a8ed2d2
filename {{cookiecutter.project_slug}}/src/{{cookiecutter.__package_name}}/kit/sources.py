"""Where the months come from: a folder, http(s), s3, gs, or a PostgreSQL database."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from . import locations
from .csv_files import as_parquet, is_csv
from .files import replacing, text_digest
from .locations import MONTH, DataError, file_name, month_in_name, name_in, refuse_password
from .modelling.parquet import check_past

DATABASE = "postgresql://"
CONNECT_SECONDS, READ_SECONDS = 10, 30


def choose_months(
    train: Sequence[str] | None, test: str | None, data_location: str
) -> tuple[list[str], str]:
    """Return the months to train on and the one to test on, as paths or addresses.

    What is not given comes from the data location: the newest month for the test, and for the
    training those before it. Raises DataError if that leaves nothing.
    """
    for given in (*(train or ()), test or ""):
        refuse_password(given)
    found = [] if train and test else list_months(data_location)
    test = test or newest_month(data_location, found)
    if not train:
        train = [month for month in found if month_in_name(month) < month_in_name(test)]
        if not train:
            raise DataError(f"{data_location}: no month before {test} to train on; add one")
    return list(train), test


def newest_month(location: str, found: Sequence[str] | None = None) -> str:
    """Return the newest month; DataError if it comes in several files, as none of them is whole."""
    months = found or list_months(location)
    period = month_in_name(months[-1])
    newest = [name_in(month) for month in months if month_in_name(month) == period]
    if len(newest) > 1:
        raise DataError(
            f"{location}: {len(newest)} files are of {period}, the newest month "
            f"({', '.join(newest[:3])}{', ...' if newest[3:] else ''}); put them into one file"
        )
    return months[-1]


def list_months(location: str) -> list[str]:
    """Return the months of a folder, address or database, oldest first; DataError if none."""
    refuse_password(location)
    if location.startswith(DATABASE):
        with _reaching(location):
            found = _database(location).list_tables(location)
        months = [table for table in found if MONTH.search(name_in(table))]
    else:
        found = _list_files(location)
        months = [path for path in found if path.endswith(".parquet") or is_csv(path)]
    if not months:
        raise DataError(_nothing(location, found))
    months = sorted(months, key=lambda month: (month_in_name(month), month))
    check_past(month_in_name(months[-1]), months[-1])
    return months


def fetch(location: str, folder: Path) -> Path:
    """Return a local parquet file of a month: a copy in `folder`, unless it is one already."""
    refuse_password(location)
    path = Path(location) if "://" not in location else _copy(location, folder)
    return as_parquet(path, location, folder) if is_csv(location) else path


def _copy(location: str, folder: Path) -> Path:
    copy = folder / f"{text_digest(location)}-{file_name(location)}"
    with _reaching(location), replacing(copy) as temporary:
        if location.startswith(DATABASE):
            _database(location).copy(location, temporary)
        else:
            filesystem, path = _filesystem(location)
            filesystem.get_file(path, str(temporary))
    return copy


def _list_files(location: str) -> list[str]:
    """List the files of a folder; hidden ones are on their way, or other programs'."""
    if "://" in location:
        filesystem, root = _filesystem(location)
        with _reaching(location):
            # Not `glob`, which takes a server that does not answer for an empty folder.
            listed = filesystem.ls(f"{root.rstrip('/')}/", detail=False)
        found = [filesystem.unstrip_protocol(path) for path in listed]
    else:
        found = [str(path) for path in Path(location).glob("*")]
    return [path for path in found if not name_in(path).startswith(".")]


def _nothing(location: str, found: list[str]) -> str:
    if location.startswith(DATABASE):
        return f"{location}: no table with a month in its name, such as sales_2024_01"
    kinds = Counter(Path(name_in(path)).suffix or "folders and others" for path in found)
    there = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(3)) or "nothing"
    advice = "add months like sales_2024-01.parquet, or set the data location"
    return f"{location}: no parquet or CSV files, but {there}; {advice}"


def _database(location: str) -> Any:
    try:
        return import_module(".postgres", __package__)
    except ModuleNotFoundError:
        raise DataError(f"{location}: this project has no kit/postgres.py; add it again") from None


@contextmanager
def _reaching(location: str) -> Iterator[None]:
    """Name the location in what goes wrong on the way to it."""
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{location}: no such file; check the path or the data location") from None
    except Exception as error:  # each store has errors of its own, such as a missing login
        reason = str(error) or "no answer in time"
        advice = "try again later, or check its address and your login"
        message = f"{location}: cannot be read ({reason}); {advice}"
        raise OSError(locations.without_signature(message)) from None  # it may have one as well


def _filesystem(location: str) -> tuple[Any, str]:
    import fsspec

    options: dict[str, Any] = {}
    if location.startswith("http"):
        import aiohttp

        # A server that hangs must not hang the flow run: the default waits for 300 s.
        limit = aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS)
        options = {"client_kwargs": {"timeout": limit}}
    try:
        return fsspec.core.url_to_fs(location, **options)
    except (ImportError, ValueError) as error:
        # fsspec names the package that is missing (s3fs, gcsfs) or the unknown protocol.
        raise DataError(f"{location}: cannot be read here: {error}; try `uv add` for it") from error
