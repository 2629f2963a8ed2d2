"""Rooms that may be taken out, as the README's table says: what is left passes its own checks."""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from .conftest import TEMPLATE, BakedProject

pytestmark = pytest.mark.slow

PAGE = TEMPLATE / "{{cookiecutter.project_slug}}/README.md"
ENGINES = "kit/modelling/engines"
# Files and folders of the project or of its package.
FILES = {
    "examples": ("examples/", "tests/test_examples.py", "docs/orchestration.md"),
    "dask": (f"{ENGINES}/dask_cluster.py",),
    "training from the disk": tuple(
        f"{ENGINES}/{name}.py" for name in ("dask_cluster", "external_memory", "streaming")
    ),
    "PostgreSQL": ("kit/postgres.py",),
    "predictions over HTTP": ("kit/serving/",),
    "the search for params": ("flows/tuning.py", "kit/tuning.py"),
    "cutting files by hand": ("kit/split_files.py",),
    "upgrades": ("kit/upgrade.py", ".github/workflows/upgrade.yml"),
    "`poe up`": ("kit/platform.py",),
    "automations": ("kit/automations.py",),
}
# By file, the names of commands, dependencies and their groups.
LINES = {
    "examples": {"pyproject.toml": ("example", "examples")},
    "dask": {"pyproject.toml": ("dask",)},
    "training from the disk": {"pyproject.toml": ("dask",)},
    "PostgreSQL": {"pyproject.toml": ("postgres",)},
    "predictions over HTTP": {
        "__main__.py": ("serve",),
        "pyproject.toml": ("serve", "fastapi-offline"),
    },
    "the search for params": {
        "flows/__init__.py": ("tune",),
        "__main__.py": ("tune",),
        "pyproject.toml": ("tune", "optuna"),
    },
    "cutting files by hand": {"__main__.py": ("split",), "pyproject.toml": ("split",)},
    "upgrades": {"__main__.py": ("upgrade",), "pyproject.toml": ("upgrade",)},
    "`poe up`": {"__main__.py": ("up", "work"), "pyproject.toml": ("up", "honcho")},
    "automations": {"__main__.py": ("automations",), "pyproject.toml": ("automations",)},
}
PLACES = (
    r"\[tool\.poe\.tasks\.{0}\]\n(.+\n)+\n",
    r'^    "{0}\b.*",\n|^{0} = \[.*\]\n',
    r"^app\.command\(.*:{0}\W.*\n|^from \.\w+ import {0}\n",
    r', "{0}"(?=\])|"{0}", ',
)
# For what is not there any more: what a command says that needs it.
MISSED = {
    ("train", "--engine", "dask"): "error: engine 'dask': this project has no module for it",
    ("train", "--engine", "external"): "error: engine 'external': this project has no module",
    ("score", "--paths", "postgresql://127.0.0.1/db?table=trips_2024_03"): (
        "this project has no kit/postgres.py; add it again"
    ),
    ("serve",): 'error: Unknown command "serve"',
    ("tune",): 'error: Unknown command "tune"',
}


def place(project: BakedProject, name: str) -> Path:
    """Return a file or folder that the README names: of the project, or of its package."""
    at_root = project.path / name
    return at_root if at_root.exists() else project.path / "src" / project.package / name


def take_out(project: BakedProject, room: str) -> None:
    """Delete a room's files and its lines."""
    for name in FILES[room]:
        path = place(project, name)
        if name.endswith("/"):
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=room == "training from the disk")  # without dask already
    for file, words in LINES[room].items():
        path = place(project, file)
        for word in words:
            before = path.read_text()
            after = re.sub("|".join(PLACES).format(word), "", before, flags=re.MULTILINE)
            assert after != before or word == "dask", f"{file}: {word}"
            path.write_text(after)


def names(cells: Iterable[str]) -> set[str]:
    return {word for cell in cells for word in re.findall(r"`([^`]+)`", cell)}


def test_the_readme_says_the_same() -> None:
    table = PAGE.read_text().partition("\n| without | files | lines |\n")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[1:]]
    assert [room for room, *_ in rows] == [*FILES] == [*LINES]
    for room, files, lines in rows:
        said = names([files]) | ({f"{ENGINES}/dask_cluster.py"} if "the same" in files else set())
        assert {Path(name).name for name in said} == {Path(name).name for name in FILES[room]}
        words = {word for file, words in LINES[room].items() for word in (file, *words)}
        assert names([lines]) == (words if room != "training from the disk" else set())


def test_each_room_alone(fresh: BakedProject) -> None:
    fresh.run("uv", "sync", "--quiet")
    for room in FILES:
        fresh.run("git", "checkout", "--quiet", ".")
        take_out(fresh, room)
        for check in ("lint", "typecheck"):
            fresh.run("uv", "run", "--no-sync", "poe", check)
        commands = fresh.run("uv", "run", "--no-sync", "python", "-m", fresh.package, "--help")
        gone = LINES[room].get("__main__.py", ())
        assert not re.search(rf"^\W*({'|'.join(gone) or '$.'}) ", commands.stdout, re.MULTILINE)


def test_all_rooms_at_once(fresh: BakedProject) -> None:
    for room in FILES:
        take_out(fresh, room)
    shutil.rmtree(place(fresh, ENGINES))
    fresh.run("uv", "sync", "--quiet")
    for gone in ("optuna", "honcho"):
        assert fresh.run("uv", "run", "python", "-c", f"import {gone}", check=False).returncode
    done = fresh.run("uv", "run", "poe", "check")
    assert "Success: no issues found" in done.stdout
    assert re.search(r"= \d+ passed(, \d+ warnings?)? in", done.stdout)

    # More rows than may be in memory: the engine for them is gone, so they are there all the same.
    few = {f"{fresh.package.upper()}_MEMORY_ROWS": "0"}
    trained = fresh.run("uv", "run", "poe", "train", **few)
    assert "Version 1 promoted: test RMSE 4.959 minutes" in trained.stdout + trained.stderr
    for words, message in MISSED.items():
        missed = fresh.run("uv", "run", "python", "-m", fresh.package, *words, check=False)
        assert missed.returncode
        errors = [line for line in missed.stderr.splitlines() if "error" in line.lower()]
        assert len(errors) == 1, missed.stderr
        assert message in errors[0]
        assert "Traceback" not in missed.stderr
