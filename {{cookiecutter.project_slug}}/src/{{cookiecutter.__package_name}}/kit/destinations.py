"""Where files go: to a folder, or to an address such as s3:// or gs:// that fsspec can write to."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from .files import replacing
from .stores import open_store, reaching

# Months come from these, but no file can be written there.
READ_ONLY = ("http://", "https://", "postgresql://")


def refuse_read_only(location: str) -> str:
    """Return a location to write to. Raises ValueError if nobody can write there."""
    if location.startswith(READ_ONLY):
        raise ValueError(f"{location}: cannot be written to; give a folder, or an s3 or gs address")
    return location


@contextmanager
def writing(location: str) -> Iterator[Path]:
    """Give a temporary local path that gets to `location`, whole, if all goes well."""
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
