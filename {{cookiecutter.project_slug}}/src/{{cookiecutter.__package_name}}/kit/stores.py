"""What holds months and predictions: a folder, http(s), s3, gs, or a PostgreSQL database."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from . import locations
from .files import replacing, text_digest
from .locations import DataError, file_name, name_in

DATABASE = "postgresql://"
# Months come from these, but no file can be written there.
READ_ONLY = ("http://", "https://", DATABASE)
CONNECT_SECONDS, READ_SECONDS = 10, 30


def list_tables(location: str) -> list[str]:
    """Return the tables and views of a database, as locations."""
    with reaching(location):
        return _database(location).list_tables(location)


def list_files(location: str) -> list[str]:
    """Return the files and folders in a folder; hidden ones are on their way, or other programs'.

    The folders of a hive-like layout, such as year=2024/month=01, are entered.
    """
    if "://" in location:
        filesystem, root = open_store(location)
        with reaching(location):
            # Not `glob`, which takes a server that does not answer for an empty folder.
            listed = filesystem.ls(f"{root.rstrip('/')}/", detail=False)
        found = [filesystem.unstrip_protocol(path) for path in listed]
    else:
        found = sorted(path.as_posix() for path in Path(location).glob("*"))
    files = []
    for path in found:
        name = name_in(path.rstrip("/"))
        if "=" in name and "." not in name:
            files += list_files(path)
        elif not name.startswith((".", "_")):
            files.append(path)
    return files


def copy(location: str, folder: Path) -> Path:
    """Return a copy in `folder` of a file or a table elsewhere."""
    copied = folder / f"{text_digest(location)}-{file_name(location)}"
    with reaching(location), replacing(copied) as temporary:
        if location.startswith(DATABASE):
            _database(location).copy(location, temporary)
        else:
            filesystem, path = open_store(location)
            filesystem.get_file(path, str(temporary))
    return copied


def refuse_read_only(location: str) -> str:
    """Return a location to write to. Raises ValueError if nobody can write there."""
    if location.startswith(READ_ONLY):
        raise ValueError(f"{location}: cannot be written to; give a folder, or an s3 or gs address")
    return location


@contextmanager
def writing(location: str) -> Iterator[Path]:
    """Give a temporary local path that gets to a folder or an address, whole, if all goes well."""
    if "://" not in location:
        with replacing(Path(location)) as temporary:
            yield temporary
        return
    with TemporaryDirectory() as folder:
        temporary = Path(folder, "part")
        yield temporary
        with reaching(location, "written"):
            store, path = open_store(location, "written")
            # Not every store shows a file only once it is whole, but all can move one.
            store.put_file(str(temporary), f"{path}.part")
            store.mv(f"{path}.part", path)


def _database(location: str) -> Any:
    try:
        return import_module(".postgres", __package__)
    except ModuleNotFoundError:
        raise DataError(f"{location}: this project has no kit/postgres.py; add it again") from None


@contextmanager
def reaching(location: str, to_be: str = "read") -> Iterator[None]:
    """Name the location in what goes wrong on the way to it."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # each store has errors of its own, such as a missing login
        if isinstance(error, FileNotFoundError) and to_be == "read":
            problem = f"{location}: no such file; check the path or the data location"
            raise DataError(problem) from None
        reason = str(error) or "no answer in time"
        advice = "try again later, or check its address and your login"
        message = f"{location}: cannot be {to_be} ({reason}); {advice}"
        raise OSError(locations.without_signature(message)) from None  # it may have one as well


def open_store(location: str, to_be: str = "read") -> tuple[Any, str]:
    """Return fsspec's file system of a location, and its path there."""
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
        raise DataError(f"{location}: cannot be {to_be} here: {error}; `uv add` it") from error
