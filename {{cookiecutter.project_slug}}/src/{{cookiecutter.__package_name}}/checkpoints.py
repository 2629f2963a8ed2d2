"""Files that are whole or not there, named and cached by what is in them."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DIGITS = 16


def file_digest(path: Path) -> str:
    """Short hash of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]


def text_digest(text: str) -> str:
    """Short hash of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def code_digests(*modules: str) -> dict[str, str]:
    """Short hash of each of these modules, as they are on the disk."""
    return {module: file_digest(Path(__file__).with_name(module)) for module in modules}


CLEANING = code_digests("data.py", "parquet.py")
"""The code that makes a cleaned month, as it is when this process starts."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path that is moved to `path` if all goes well, so no half file is ever read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".writing-", dir=path.parent))
    temporary = folder / f"{path.name}.part"
    try:
        yield temporary
        temporary.replace(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
