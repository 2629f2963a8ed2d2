"""Files that are whole or not there, and digests of what is in them and of the code."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from .project import PACKAGE_FOLDER

DIGITS = 16
# Folders and modules of the package that make no model; of the kit, only "modelling" makes one.
APART = {"flows", "examples", "__main__.py", "settings.py", "__pycache__"}


def file_digest(path: Path) -> str:
    """Return a short hash of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]


def text_digest(text: str) -> str:
    """Return a short hash of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def code_files(package: Path) -> dict[str, Path]:
    """Return the files of a package that make a model, by name: the user's own and the kit's."""
    files = {}
    for path in sorted(package.rglob("*")):
        first, *rest = path.relative_to(package).parts
        apart = first in APART or (first == "kit" and rest[:1] != ["modelling"])
        # An editor's files, such as .data.py.swp, come and go.
        passing = any(part.startswith((".", "__pycache__")) for part in (first, *rest))
        if path.is_file() and not apart and not passing:
            files[path.relative_to(package).as_posix()] = path
    return files


def code_digest(package: Path = PACKAGE_FOLDER) -> str:
    """Return a short hash of the code that makes a model."""
    found = {name: file_digest(path) for name, path in code_files(package).items()}
    return text_digest(repr(found))


# The code as it was when this process began.
CODE = code_digest()


def refuse_edited_code() -> None:
    """Raise ValueError if the code was edited since: other code would be logged than ran."""
    if code_digest() != CODE:
        raise ValueError(
            f"{PACKAGE_FOLDER.name}: the code was edited while this flow ran; start it again "
            "(undo the edit before, and what is fitted already is used)"
        )


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path that is moved to `path` if all goes well; no half file is ever read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(
        prefix=".writing-", dir=path.parent, ignore_cleanup_errors=True
    ) as folder:
        temporary = Path(folder, f"{path.name}.part")
        yield temporary
        temporary.replace(path)
