"""Newer versions of the dependencies; they stay only if the project's check passes with them."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PYPROJECT, LOCK = ROOT / "pyproject.toml", ROOT / "uv.lock"
UV = os.environ.get("UV", "uv")
# By then most versions that are broken or hostile have been withdrawn.
COOLDOWN = timedelta(days=7)
PATIENCE = 5
"""Seconds in which a command may end by itself after Ctrl-C."""
CUTOFF = re.compile(
    r"""^(\[tool\.uv\].*\n(?:(?!\[).*\n)*?exclude-newer\s*=\s*)(["'])(\d{4}-\d\d-\d\d).*?\2""",
    re.MULTILINE,
)


def upgrade(until: date | None = None) -> None:
    """Move the dependencies to newer versions, if lint, types and tests pass with them.

    If anything fails, pyproject.toml and uv.lock are put back. Nothing is committed.

    Args:
        until: The last day whose versions are taken (YYYY-MM-DD); by default that of a week ago.
    """
    before = _locked()
    with _all_or_nothing():
        _move_cutoff(until)
        for command in (["lock", "--upgrade"], ["sync"], ["run", "poe", "check"]):
            _uv(*command)
    print("\n".join(_changes(before, _locked())))


@contextmanager
def _all_or_nothing() -> Iterator[None]:
    for name in {"SIGHUP", "SIGTERM"} & set(dir(signal)):
        signal.signal(getattr(signal, name), signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix=".upgrade-", dir=ROOT) as folder:
        for path in filter(Path.exists, (PYPROJECT, LOCK)):
            shutil.copy2(path, folder)
        try:
            yield
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


def _move_cutoff(until: date | None) -> None:
    """Move the date in pyproject.toml: to `until` in any case, to a week ago only forward."""
    text = PYPROJECT.read_bytes().decode()
    found = CUTOFF.search(text)
    if not found:
        if until:
            raise ValueError("pyproject.toml: [tool.uv] has no date in exclude-newer to move")
        return
    week_ago = max(str(datetime.now(UTC).date() - COOLDOWN), found[3])
    moved = CUTOFF.sub(rf"\g<1>\g<2>{until or week_ago}\g<2>", text, count=1)
    with tempfile.TemporaryDirectory(prefix=".upgrade-", dir=ROOT) as folder:
        new = Path(shutil.copy2(PYPROJECT, folder))
        new.write_bytes(moved.encode())
        new.replace(PYPROJECT)


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


def _locked() -> dict[str, str] | None:
    """Return the versions in uv.lock by package: of some, each Python has its own."""
    if not LOCK.exists():
        return None
    versions = defaultdict(set)
    for package in tomllib.loads(LOCK.read_text(encoding="utf-8"))["package"]:
        versions[package["name"]].add(package.get("version", "?"))
    return {name: ", ".join(sorted(found)) for name, found in versions.items()}


def _changes(before: dict[str, str] | None, after: dict[str, str] | None) -> Iterator[str]:
    after = after or {}
    if before is None:
        yield f"uv.lock: there was none; it has {len(after)} packages"
        return
    changed = sorted(name for name in before | after if before.get(name) != after.get(name))
    for name in changed:
        yield f"{name}: {before.get(name, 'new')} -> {after.get(name, 'no longer needed')}"
    if not changed:
        yield "uv.lock: no package has another version"
