"""A project of the old layout moves to the kit by what CHANGELOG.md says, with its champion."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import TEMPLATE, BakedProject
from .test_updates import IDENTITY, commit, cruft, git, replace, run

# The last commit of the old layout.
OLD = "73f8e14"
RECIPE = (TEMPLATE / "CHANGELOG.md").read_text().partition("## Moving to the kit")[2]


def has_history() -> bool:
    asked = ["git", "cat-file", "-e", f"{OLD}^{{commit}}"]
    return subprocess.run(asked, cwd=TEMPLATE, capture_output=True, check=False).returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not has_history(), reason=f"the history is shallow: it lacks {OLD}"),
]


@pytest.fixture
def old(tmp_path: Path) -> BakedProject:
    """A project of the old layout, with edits of its user's and a champion."""
    git(tmp_path, "clone", "--quiet", str(TEMPLATE), "upstream")
    cruft(tmp_path, "create", str(tmp_path / "upstream"), "--checkout", OLD, "--no-input")
    project = BakedProject(tmp_path / "taxi-duration", tmp_path / "home")
    package = project.path / "src" / project.package
    replace(
        package / "data.py", "MIN_MINUTES, MAX_MINUTES = 1, 60", "MIN_MINUTES, MAX_MINUTES = 1, 50"
    )
    replace(package / "features.py", "MAX_MILES = 100", "MAX_MILES = 80")
    (package / "holidays.py").write_text('"""Days of our own."""\n')
    git(project.path, "init", "--quiet", "--initial-branch=main")
    commit(project.path)
    project.run("uv", "sync", "--quiet", "--python", sys.executable)
    trained = project.run("uv", "run", "poe", "train")
    assert "version 1 promoted" in trained.stdout + trained.stderr
    return project


def test_it_moves_with_its_edits_and_its_champion(old: BakedProject) -> None:
    package = old.path / "src" / old.package
    replace(old.path / "pyproject.toml", "skip = []", 'skip = ["data"]')
    commit(old.path, "skip")
    [commands] = re.findall(r"```\n(git switch.*?)```", RECIPE, re.DOTALL)
    for line in commands.splitlines():
        line = line.replace("uvx cruft", f"{sys.executable} -m cruft")
        line += " --skip-apply-ask" if line.endswith("cruft update") else ""
        run(old.path, "bash", "-c", line)
    assert not [*old.path.rglob("*.rej")]
    assert (package / "kit").is_dir()
    assert not (package / "tasks.py").exists()
    assert (package / "holidays.py").exists(), "what the user added stays"

    # The edits come back where the recipe's table says.
    replace(
        package / "data.py", "MIN_MINUTES, MAX_MINUTES = 1, 60", "MIN_MINUTES, MAX_MINUTES = 1, 50"
    )
    replace(package / "features.py", "MAX_MILES = 100", "MAX_MILES = 80")
    old.run("uv", "sync", "--quiet")
    scored = old.run("uv", "run", "poe", "score", **IDENTITY)
    assert "rows with version 1" in scored.stdout + scored.stderr
    trained = old.run("uv", "run", "poe", "train")
    assert re.search(r"Version 2 not promoted: .* version 1 \(champion\)", trained.stderr)
    old.run("uv", "run", "poe", "lint")
    old.run("uv", "run", "pytest", "-q", "tests/test_your_data.py")
