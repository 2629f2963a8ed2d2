"""Where the months come from: a folder, http(s), s3, gs, or a PostgreSQL database."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .checkpoints import replacing, text_digest
from .parquet import DataError, check_past, file_name
from .settings import refuse_password

MONTH = re.compile(r"(?<!\d)(\d{4})[-_](0[1-9]|1[0-2])(?!\d)")

DATABASE = "postgresql://"
CONNECT_SECONDS, READ_SECONDS = 10, 30


def choose_months(
    train: Sequence[str] | None, test: str | None, data_location: str
) -> tuple[list[str], str]:
    """The months to train on and the one to test on, as paths or URIs.

    What is not given comes from the data location: the newest month for the test, and for the
    training those before it. Raises DataError if that leaves nothing.
    """
    for given in (*(train or ()), test or ""):
        _check_location(given)
    found = [] if train and test else list_months(data_location)
    test = test or found[-1]
    if not train:
        train = [month for month in found if month_in_name(month) < month_in_name(test)]
        if not train:
            raise DataError(f"{data_location}: no month before {test} to train on; add one")
    return list(train), test


def list_months(location: str) -> list[str]:
    """The months of a folder, URI or database, oldest first; DataError if there are none."""
    _check_location(location)
    if location.startswith(DATABASE):
        return _list_tables(location)
    if "://" in location:
        filesystem, root = _filesystem(location)
        with _reaching(location):
            # Not `glob`, which takes a server that does not answer for an empty folder.
            found = filesystem.ls(f"{root.rstrip('/')}/", detail=False)
        months = [filesystem.unstrip_protocol(path) for path in found if path.endswith(".parquet")]
    else:
        months = [str(path) for path in Path(location).glob("*.parquet")]
    if not months:
        raise DataError(f"{location}: no parquet files; add months or set the data location")
    months = sorted(months, key=month_in_name)
    check_past(month_in_name(months[-1]), months[-1])
    return months


def month_in_name(location: str) -> str:
    """The yyyy-mm in a file's or table's name. Raises DataError if there is none."""
    found = MONTH.search(file_name(location))
    if not found:
        raise DataError(f"{location}: no month in its name; call it like trips_2024-01.parquet")
    return f"{found[1]}-{found[2]}"


def fetch(location: str, folder: Path) -> Path:
    """A local copy of a month, in `folder`; a local file stays where it is."""
    _check_location(location)
    if "://" not in location:
        return Path(location)
    copy = folder / f"{text_digest(location)}-{file_name(location)}"
    if location.startswith(DATABASE):
        from . import database

        with _reaching(location), replacing(copy) as temporary:
            database.copy(location, temporary)
        return copy
    filesystem, path = _filesystem(location)
    with _reaching(location), replacing(copy) as temporary:
        filesystem.get_file(path, str(temporary))
    return copy


def _list_tables(location: str) -> list[str]:
    from . import database

    with _reaching(location):
        tables = database.list_tables(location)
    months = [table for table in tables if MONTH.search(file_name(table))]
    if not months:
        raise DataError(f"{location}: no table with a month in its name, such as trips_2024_01")
    months = sorted(months, key=month_in_name)
    check_past(month_in_name(months[-1]), months[-1])
    return months


def _check_location(location: str) -> None:
    try:
        refuse_password(location)
    except ValueError as error:
        raise DataError(str(error)) from None


@contextmanager
def _reaching(location: str) -> Iterator[None]:
    """Name the location in what goes wrong on the way to it."""
    from aiohttp import ClientError

    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{location}: no such file; check the path or the data location") from None
    except (ClientError, OSError) as error:
        reason = str(error) or "no answer in time"
        raise OSError(f"{location}: cannot be read ({reason}); try again later") from error


def _filesystem(location: str) -> tuple[Any, str]:
    import fsspec

    options: dict[str, Any] = {}
    if location.startswith("http"):
        import aiohttp

        # A server that hangs must not hang the flow run: the default waits for five minutes.
        limit = aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS)
        options = {"client_kwargs": {"timeout": limit}}
    try:
        return fsspec.core.url_to_fs(location, **options)
    except (ImportError, ValueError) as error:
        # fsspec names the package that is missing (s3fs, gcsfs) or the unknown protocol.
        raise DataError(f"{location}: cannot be read here: {error}; try `uv add` for it") from error
