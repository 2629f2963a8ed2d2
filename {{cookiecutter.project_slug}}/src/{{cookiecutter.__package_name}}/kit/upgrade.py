"""Newer versions of the dependencies; they stay only if the project's check passes with them."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from .project import ROOT

PYPROJECT, LOCK = ROOT / "pyproject.toml", ROOT / "uv.lock"
UV = os.environ.get("UV", "uv")
# By then most versions that are broken or hostile have been withdrawn.
COOLDOWN = timedelta(days=7)
PATIENCE = 5  # Seconds in which a command may end by itself after Ctrl-C.
CUTOFF = re.compile(r"""(?m)^(\[tool\.uv\].*\n(?:(?!\[).*\n)*?exclude-newer *= *["'])([\d-]{10})""")


def upgrade(until: date | None = None) -> None:
    """Move the dependencies to newer versions, if lint, types and tests pass with them.

    If anything fails, pyproject.toml and uv.lock are put back. Nothing is committed.

    Args:
        until: The last day whose versions are taken (YYYY-MM-DD); by default that of a week ago.
    """
    before = _locked()
    with _all_or_nothing() as folder:
        _move_cutoff(until, folder)
        for command in (["lock", "--upgrade"], ["sync"], ["run", "poe", "check"]):
            _uv(*command)
    print("\n".join(_changes(before, _locked())))


@contextmanager
def _all_or_nothing() -> Iterator[Path]:
    """Copy both files to a folder that is given, and put them back if anything fails."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix=".upgrade-", dir=ROOT) as folder:
        for path in filter(Path.exists, (PYPROJECT, LOCK)):
            shutil.copy2(path, folder)
        try:
            yield Path(folder)
        except (ValueError, OSError, KeyboardInterrupt) as error:
            _put_back(Path(folder))
            what = "interrupted" if isinstance(error, KeyboardInterrupt) else error
            sys.exit(f"error: {what}; pyproject.toml and uv.lock are as before")


def _put_back(copies: Path) -> None:
    for path in (PYPROJECT, LOCK):
        if (copies / path.name).exists():
            (copies / path.name).replace(path)
        else:
            path.unlink(missing_ok=True)
    if LOCK.exists():
        with suppress(ValueError, OSError, KeyboardInterrupt):  # the next `uv run` installs too
            _uv("sync", "--frozen", "--quiet")


def _move_cutoff(until: date | None, folder: Path) -> None:
    """Move the date in pyproject.toml: to `until` in any case, to a week ago only forward."""
    text = PYPROJECT.read_bytes().decode()
    found = CUTOFF.search(text)
    if found:
        week_ago = max(str(datetime.now(UTC).date() - COOLDOWN), found[2])
        new = Path(shutil.copy2(PYPROJECT, folder / "new.toml"))
        new.write_bytes(CUTOFF.sub(rf"\g<1>{until or week_ago}", text, count=1).encode())
        new.replace(PYPROJECT)
    elif until:
        raise ValueError("pyproject.toml: [tool.uv] has no date in exclude-newer to move")


def _uv(*arguments: str) -> None:
    """Run uv, with all output on stderr. Raises ValueError if it fails."""
    with subprocess.Popen([UV, *arguments], cwd=ROOT, stdout=sys.stderr) as process:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
            process.terminate()
            process.wait()
            raise
    if code:
        raise ValueError(f"`uv {' '.join(arguments)}` failed (exit code {code})")


def _locked() -> dict[str, str]:
    """Return the versions in uv.lock by package: of some, each Python has its own."""
    versions: dict[str, set[str]] = {}
    text = LOCK.read_text(encoding="utf-8") if LOCK.exists() else "package = []"
    for package in tomllib.loads(text)["package"]:
        versions.setdefault(package["name"], set()).add(package.get("version", "?"))
    return {name: ", ".join(sorted(found)) for name, found in versions.items()}


def _changes(before: dict[str, str], after: dict[str, str]) -> list[str]:
    if not before:
        return [f"uv.lock: there was none; it has {len(after)} packages"]
    pairs = ((name, before.get(name, "new"), after.get(name, "gone")) for name in before | after)
    changed = [f"{name}: {old} -> {new}" for name, old, new in sorted(pairs) if old != new]
    return changed or ["uv.lock: no package has another version"]
