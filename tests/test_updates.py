"""Baked projects follow the template: cruft over real commits of a copy of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import BakedProject

README = "{{cookiecutter.project_slug}}/README.md"
SETTINGS = "{{cookiecutter.project_slug}}/src/{{cookiecutter.__package_name}}/settings.py"
IDENTITY = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org"}
IDENTITY |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org"}


def git(folder: Path, *arguments: str) -> str:
    return run(folder, "git", *arguments)


def run(folder: Path, *command: str, check: bool = True) -> str:
    environment = BakedProject(folder, folder.parent / "home").environment(**IDENTITY)
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if check and done.returncode:
        pytest.fail(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def cruft(folder: Path, *arguments: str, check: bool = True) -> str:
    return run(folder, sys.executable, "-m", "cruft", *arguments, check=check)


def commit(folder: Path, message: str = "change") -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.fixture
def upstream(template: Path, tmp_path: Path) -> Path:
    """A copy of the template with a history of its own."""
    copy = tmp_path / "upstream"
    run(tmp_path, "cp", "-r", str(template), str(copy))
    git(copy, "init", "--quiet", "--initial-branch=main")
    commit(copy)
    return copy


@pytest.fixture
def baked(upstream: Path, tmp_path: Path) -> Path:
    """A project that cruft made of it, committed by its user."""
    cruft(tmp_path, "create", str(upstream), "--no-input")
    project = tmp_path / "taxi-duration"
    # No side effects: neither a repository nor a work pool is cruft's to make.
    assert not (project / ".git").exists()
    git(project, "init", "--quiet", "--initial-branch=main")
    commit(project)
    return project


def update(baked: Path, upstream: Path) -> str:
    """Commit the template's change, see that check and diff tell it, and update."""
    commit(upstream)
    assert "out of date" in cruft(baked, "check", check=False)
    cruft(baked, "diff")
    log = git(baked, "log", "--oneline")
    printed = cruft(baked, "update", "--skip-apply-ask")
    assert git(baked, "log", "--oneline") == log, "an update commits nothing"
    state = json.loads((baked / ".cruft.json").read_text())
    assert state["commit"] == git(upstream, "rev-parse", "HEAD").strip()
    assert "up to date" in cruft(baked, "check")
    return printed


def test_a_change_of_the_template_arrives(baked: Path, upstream: Path) -> None:
    replace(upstream / README, "## Start\n", "## Start here\n")
    update(baked, upstream)
    assert "## Start here\n" in (baked / "README.md").read_text()


def test_the_users_other_lines_survive(baked: Path, upstream: Path) -> None:
    replace(upstream / README, "## Start\n", "## Start here\n")
    mine = baked / "src/taxi_duration/settings.py"
    replace(mine, "default=0.005", "default=0.01")
    replace(baked / "README.md", "## Where things are\n", "## Our map\n")
    commit(baked)
    update(baked, upstream)
    text = (baked / "README.md").read_text()
    assert "## Start here\n" in text
    assert "## Our map\n" in text
    assert "default=0.01" in mine.read_text()


def test_a_change_on_both_sides_is_a_visible_conflict(baked: Path, upstream: Path) -> None:
    replace(upstream / SETTINGS, "default=0.005", "default=0.002")
    mine = baked / "src/taxi_duration/settings.py"
    replace(mine, "default=0.005", "default=0.01")
    commit(baked)
    update(baked, upstream)
    text = mine.read_text()
    rejected = "".join(path.read_text() for path in baked.rglob("*.rej"))
    assert "default=0.01" in text
    assert "default=0.002" in text + rejected
    assert "<<<<<<<" in text or rejected


def test_a_deleted_file_stays_deleted(baked: Path, upstream: Path) -> None:
    replace(upstream / "{{cookiecutter.project_slug}}/tests/test_sources.py", '"""Which', '"""What')
    (baked / "tests/test_sources.py").unlink()
    commit(baked)
    update(baked, upstream)
    assert not (baked / "tests/test_sources.py").exists()


def test_a_question_added_later_gets_its_default(baked: Path, upstream: Path) -> None:
    replace(upstream / "cookiecutter.json", "{\n", '{\n  "team": "Blue team",\n')
    replace(upstream / README, "## Start\n", "## {{ cookiecutter.team }}\n")
    update(baked, upstream)
    assert "## Blue team\n" in (baked / "README.md").read_text()


def test_the_users_own_folders_are_skipped_where_asked(baked: Path, upstream: Path) -> None:
    replace(upstream / SETTINGS, "default=0.005", "default=0.002")
    replace(upstream / README, "## Start\n", "## Start here\n")
    replace(baked / "pyproject.toml", "skip = []", 'skip = ["src", "data"]')
    (baked / "data/trips_2024-01.parquet").unlink()
    commit(baked)
    update(baked, upstream)
    assert "default=0.005" in (baked / "src/taxi_duration/settings.py").read_text()
    assert not (baked / "data/trips_2024-01.parquet").exists()
    assert "## Start here\n" in (baked / "README.md").read_text()


def test_a_project_baked_without_cruft_is_linked(upstream: Path, tmp_path: Path) -> None:
    run(tmp_path, sys.executable, "-m", "cookiecutter", str(upstream), "--no-input")
    project = tmp_path / "taxi-duration"
    cruft(project, "link", str(upstream), "--no-input")
    commit(project, "link")
    replace(upstream / README, "## Start\n", "## Start here\n")
    update(project, upstream)
    assert "## Start here\n" in (project / "README.md").read_text()
