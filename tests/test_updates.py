"""Baked projects follow the template: cruft over real commits of a copy of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import BakedProject

SLUG = "{{cookiecutter.project_slug}}"
README = f"{SLUG}/README.md"
SRC, MINE = f"{SLUG}/src/{{{{cookiecutter.__package_name}}}}", "src/taxi_duration"
# A file of the kit, where a line may be changed.
KIT, LINE = "kit/drift.py", "CHANCE = 0.001"
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
    """Make a copy of the template with a history of its own."""
    copy = tmp_path / "upstream"
    run(tmp_path, "cp", "-r", str(template), str(copy))
    git(copy, "init", "--quiet", "--initial-branch=main")
    commit(copy)
    return copy


@pytest.fixture
def baked(upstream: Path, tmp_path: Path) -> Path:
    """Have cruft make a project of it, and commit that as its user does."""
    cruft(tmp_path, "create", str(upstream), "--no-input")
    project = tmp_path / "taxi-duration"
    # No side effects: neither a repository nor a work pool is cruft's to make.
    assert not (project / ".git").exists()
    git(project, "init", "--quiet", "--initial-branch=main")
    commit(project)
    return project


def update(baked: Path, upstream: Path) -> str:
    """Commit the template's change, see that check and diff say so, and update."""
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
    replace(upstream / SRC / KIT, LINE, "CHANCE = 0.002")
    mine, kit = baked / MINE / "settings.py", baked / MINE / KIT
    replace(mine, "default=0.005", "default=0.01")
    replace(baked / "README.md", "## Where things are\n", "## Our map\n")
    kit.write_text(f"{kit.read_text()}\n\nOURS = 1\n")
    commit(baked)
    update(baked, upstream)
    text = (baked / "README.md").read_text()
    assert "## Start here\n" in text
    assert "## Our map\n" in text
    assert "default=0.01" in mine.read_text()
    assert "CHANCE = 0.002" in kit.read_text()
    assert "OURS = 1" in kit.read_text()


def test_a_change_on_both_sides_is_a_visible_conflict(baked: Path, upstream: Path) -> None:
    replace(upstream / SRC / KIT, LINE, "CHANCE = 0.002")
    mine = baked / MINE / KIT
    replace(mine, LINE, "CHANCE = 0.01")
    commit(baked)
    update(baked, upstream)
    text = mine.read_text()
    rejected = "".join(path.read_text() for path in baked.rglob("*.rej"))
    assert "CHANCE = 0.01" in text
    assert "CHANCE = 0.002" in text + rejected
    assert "<<<<<<<" in text or rejected


def test_a_deleted_file_stays_deleted(baked: Path, upstream: Path) -> None:
    replace(upstream / SRC / "kit/postgres.py", '"""Months', '"""Tables')
    (baked / MINE / "kit/postgres.py").unlink()
    commit(baked)
    update(baked, upstream)
    assert not (baked / MINE / "kit/postgres.py").exists()


def test_a_question_added_later_gets_its_default(baked: Path, upstream: Path) -> None:
    replace(upstream / "cookiecutter.json", "{\n", '{\n  "team": "Blue team",\n')
    replace(upstream / README, "## Start\n", "## {{ cookiecutter.team }}\n")
    update(baked, upstream)
    assert "## Blue team\n" in (baked / "README.md").read_text()


def test_what_is_yours_is_skipped_by_default(baked: Path, upstream: Path) -> None:
    yours = [*(baked / MINE).glob("[a-z]*.py")]
    yours += [*(baked / MINE / "flows").iterdir(), *(baked / MINE / "examples").iterdir()]
    names = [path.relative_to(baked / MINE).as_posix() for path in yours]
    assert {"data.py", "features.py", "model.py", "settings.py", "flows/training.py"} <= {*names}
    for name in names:
        path = upstream / SRC / name
        path.write_text(f"{path.read_text()}# The template's.\n")
    replace(upstream / SRC / KIT, LINE, "CHANCE = 0.002")
    replace(upstream / SRC / "data.py", 'NOUN = "trips"', 'NOUN = "rides"')
    replace(baked / MINE / "data.py", 'NOUN = "trips"', 'NOUN = "patients"')
    for gone in ("data/trips_2024-01.parquet", f"{MINE}/flows/tuning.py"):
        (baked / gone).unlink()
    commit(baked)
    mine = {path: path.read_text() for path in yours if path.exists()}
    update(baked, upstream)
    assert {path: path.read_text() for path in yours if path.exists()} == mine
    assert not (baked / "data/trips_2024-01.parquet").exists()
    assert not [*baked.rglob("*.rej")]
    assert "CHANCE = 0.002" in (baked / MINE / KIT).read_text()


def test_other_folders_are_skipped_where_asked(baked: Path, upstream: Path) -> None:
    page = "docs/scale.md"
    (upstream / SLUG / page).write_text("The template's.\n")
    replace(upstream / README, "## Start\n", "## Start here\n")
    replace(baked / "pyproject.toml", 'skip = [\n    "data",\n', 'skip = [\n    "data", "docs",\n')
    commit(baked)
    mine = (baked / page).read_text()
    update(baked, upstream)
    assert (baked / page).read_text() == mine
    assert "## Start here\n" in (baked / "README.md").read_text()


def test_a_project_baked_without_cruft_is_linked(upstream: Path, tmp_path: Path) -> None:
    run(tmp_path, sys.executable, "-m", "cookiecutter", str(upstream), "--no-input")
    project = tmp_path / "taxi-duration"
    cruft(project, "link", str(upstream), "--no-input")
    commit(project, "link")
    replace(upstream / README, "## Start\n", "## Start here\n")
    update(project, upstream)
    assert "## Start here\n" in (project / "README.md").read_text()
