"""Bakes in odd surroundings: each makes a whole project, or leaves nothing and says why."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from .baking import COUNTS, contents
from .conftest import BakedProject

Cookiecutter = Callable[..., subprocess.CompletedProcess[str]]
PROJECT = "out/taxi-duration"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a home with nothing but a user for git, and next to it the folder to bake into."""
    (tmp_path / "out").mkdir()
    (tmp_path / "home").mkdir()
    user = "[user]\n  name = Ada\n  email = ada@example.com\n"
    (tmp_path / "home/.gitconfig").write_text(user)
    return tmp_path / "home"


@pytest.fixture
def run(template: Path, home: Path) -> Cookiecutter:
    """Run cookiecutter as a user does; nothing of this machine's settings but the PATH."""

    def run(
        *options: str, cwd: Path = home.parent / "out", stdin: str = "", **env: str
    ) -> subprocess.CompletedProcess[str]:
        clean = {"HOME": str(home), "PATH": os.environ["PATH"], "PWD": str(cwd)}
        return subprocess.run(
            [sys.executable, "-m", "cookiecutter", str(template), *options],
            cwd=cwd,
            env=clean | env,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture(scope="module")
def files(bake: Callable[..., BakedProject]) -> dict[str, bytes]:
    """Return what a bake in ordinary surroundings makes."""
    return contents(bake(init_git=False).path)


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout


def assert_whole(
    done: subprocess.CompletedProcess[str], folder: Path, files: dict[str, bytes]
) -> None:
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert contents(folder) == files
    COUNTS["accepted"] += 1


def assert_nothing(done: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert done.returncode != 0
    assert list(folder.rglob("*")) == []
    COUNTS["refused"] += 1


def test_ordinary(run: Cookiecutter, files: dict[str, bytes], tmp_path: Path) -> None:
    done = run("--no-input")
    assert_whole(done, tmp_path / PROJECT, files)
    assert done.stdout.startswith(
        "Next (the last of these lists all commands):\n  cd taxi-duration\n"
    )
    assert git(tmp_path / PROJECT, "log", "--format=%an %s %D") == (
        "Ada Generate the project HEAD -> main\n"
    )


def test_answers_typed_at_the_prompts(
    run: Cookiecutter, files: dict[str, bytes], tmp_path: Path
) -> None:
    assert_whole(run(stdin="\n" * 20), tmp_path / PROJECT, files)
    done = run(stdin="My {{ 7*7 }}\nmy-x\n" + "\n" * 20)
    assert "project_name: 'My {{ 7*7 }}' holds {" in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["taxi-duration"]


def test_no_git(run: Cookiecutter, files: dict[str, bytes], tmp_path: Path) -> None:
    done = run("--no-input", PATH=str(tmp_path))
    assert_whole(done, tmp_path / PROJECT, files)
    assert done.stdout.startswith("Git: not set up (")


GIT_FAULTS = {
    "no user": "[user]\n  useConfigOnly = true\n",
    "a signer that fails": "[commit]\n  gpgSign = true\n[gpg]\n  program = false\n",
    "settings that are none": "[user\n",
}


@pytest.mark.parametrize("fault", GIT_FAULTS)
def test_git_that_fails(
    run: Cookiecutter, files: dict[str, bytes], home: Path, tmp_path: Path, fault: str
) -> None:
    user = "" if fault == "no user" else (home / ".gitconfig").read_text()
    (home / ".gitconfig").write_text(user + GIT_FAULTS[fault])
    done = run("--no-input")
    assert_whole(done, tmp_path / PROJECT, files)
    report, following = done.stdout.splitlines()[:2]
    assert report.startswith("Git: ")
    assert "Later: git " in report
    assert following.startswith("Next ")


def test_git_hooks_that_fail(
    run: Cookiecutter, files: dict[str, bytes], home: Path, tmp_path: Path
) -> None:
    hooks = home / "templates/hooks"
    hooks.mkdir(parents=True)
    (hooks / "pre-commit").write_text("#!/bin/sh\nexit 1\n")
    (hooks / "pre-commit").chmod(0o755)
    with (home / ".gitconfig").open("a") as config:
        config.write(f"[init]\n  templateDir = {hooks.parent}\n")
    done = run("--no-input")
    assert_whole(done, tmp_path / PROJECT, files)
    assert git(tmp_path / PROJECT, "log", "--format=%s") == "Generate the project\n"


def test_from_a_git_hook(run: Cookiecutter, files: dict[str, bytes], tmp_path: Path) -> None:
    other = tmp_path / "other"
    git(tmp_path, "init", "--quiet", "other")
    variables = {"GIT_DIR": str(other / ".git"), "GIT_INDEX_FILE": str(other / ".git/index")}
    assert_whole(run("--no-input", **variables), tmp_path / PROJECT, files)
    assert git(tmp_path / PROJECT, "log", "--format=%s") == "Generate the project\n"
    assert git(other, "for-each-ref") == git(other, "ls-files") == ""


def test_inside_a_repository(run: Cookiecutter, files: dict[str, bytes], tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    done = run("--no-input")
    assert_whole(done, tmp_path / PROJECT, files)
    assert done.stdout.startswith(f"Git: it lies in the repository {tmp_path}. Later: git add .")
    assert not (tmp_path / PROJECT / ".git").exists()


def test_into_a_folder_that_takes_nothing(run: Cookiecutter) -> None:
    if not Path("/proc/self").exists():
        pytest.skip("only here does a folder refuse root as well")
    done = run("--no-input", "-o", "/proc")
    assert done.returncode != 0
    assert "Unable to create directory at /proc/taxi-duration" in done.stderr


def test_over_a_project(run: Cookiecutter, files: dict[str, bytes], tmp_path: Path) -> None:
    project = tmp_path / PROJECT
    run("--no-input")
    (project / "README.md").write_text("mine")
    (project / "src/taxi_duration/mine.py").write_text("mine")
    (project / ".github/workflows/mine.yml").write_text("mine: 1")
    mine = contents(project)

    refused = run("--no-input")
    assert refused.returncode == 1
    assert "already exists" in refused.stdout
    bad = run("--no-input", "-f", "author_name={")
    assert bad.returncode == 1
    assert contents(project) == mine

    skipped = run("--no-input", "-f", "-s")
    assert_whole(skipped, project, mine)
    written = run("--no-input", "-f")
    assert_whole(written, project, mine | {"README.md": files["README.md"]})
    assert written.stdout.startswith(f"Git: it lies in the repository {project}.")
    assert git(project, "log", "--format=%s") == "Generate the project\n"


def test_a_path_of_spaces_and_letters_in_a_plain_locale(
    run: Cookiecutter, files: dict[str, bytes], tmp_path: Path
) -> None:
    folder = tmp_path / "ü 日本 $(id) 'x'"
    folder.mkdir()
    done = run("--no-input", "-o", str(folder), LANG="C", LC_ALL="C")
    assert_whole(done, folder / "taxi-duration", files)
    cd = done.stdout.splitlines()[1]
    stands = subprocess.run(f"{cd} && pwd", shell=True, capture_output=True, encoding="utf-8")
    assert stands.stdout.strip() == str(folder / "taxi-duration")


def test_letters_that_the_terminal_does_not_know(run: Cookiecutter, tmp_path: Path) -> None:
    (tmp_path / "日本").mkdir()
    done = run("--no-input", cwd=tmp_path / "日本", PWD="/", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "/\\u65e5\\u672c/taxi-duration" in done.stdout


def test_output_that_nobody_reads(
    template: Path, files: dict[str, bytes], home: Path, tmp_path: Path
) -> None:
    settings = ["--no-input", "-o", str(tmp_path / "out")]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "cookiecutter", str(template), *settings],
        env={"HOME": str(home), "PATH": os.environ["PATH"]},
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / PROJECT) == files


def test_a_home_that_cannot_be_written(
    run: Cookiecutter, files: dict[str, bytes], tmp_path: Path
) -> None:
    # cookiecutter itself keeps answers there, and stops before it renders anything.
    done = run("--no-input", HOME="/dev/null")
    assert_nothing(done, tmp_path / "out")
    assert "Unable to create directory at /dev/null/.cookiecutter_replay" in done.stderr

    config = tmp_path / "config.yaml"
    folders = {"replay_dir": f"{tmp_path}/replay", "cookiecutters_dir": f"{tmp_path}/cookiecutters"}
    config.write_text(yaml.safe_dump(folders))
    done = run("--no-input", HOME="/dev/null", COOKIECUTTER_CONFIG=str(config))
    assert_whole(done, tmp_path / PROJECT, files)


def test_a_second_time_with_the_same_answers(run: Cookiecutter, tmp_path: Path) -> None:
    first = run("--no-input", "author_name=it's", "license=none", "init_git=no")
    assert first.returncode == 0
    files = contents(tmp_path / PROJECT)
    shutil.rmtree(tmp_path / PROJECT)
    assert_whole(run("--replay"), tmp_path / PROJECT, files)
    assert not (tmp_path / PROJECT / ".git").exists()


def test_answers_of_a_file_are_judged_too(run: Cookiecutter, home: Path, tmp_path: Path) -> None:
    run("--no-input", "-o", str(tmp_path / "first"))
    (replay,) = (home / ".cookiecutter_replay").glob("*.json")
    kept = json.loads(replay.read_text())
    kept["cookiecutter"] |= {"license": "GPL", "description": None, "schedule": ["0 9 3 * *"]}
    replay.write_text(json.dumps(kept))
    done = run("--replay")
    assert_nothing(done, tmp_path / "out")
    for question in ("license", "description", "schedule"):
        assert f"  {question}: " in done.stderr


def test_a_bad_value_in_the_user_config(
    run: Cookiecutter, files: dict[str, bytes], home: Path, tmp_path: Path
) -> None:
    config = home / ".cookiecutterrc"
    config.write_text(yaml.safe_dump({"default_context": {"author_name": 'Ada "A" Lovelace'}}))
    done = run("--no-input")
    assert_nothing(done, tmp_path / "out")
    assert '  author_name: \'Ada "A" Lovelace\' holds "' in done.stderr
    config.write_text(yaml.safe_dump({"default_context": {"description": {"a": "b"}}}))
    done = run("--no-input")
    assert_nothing(done, tmp_path / "out")
    assert "  description: " in done.stderr
    # cookiecutter warns of a bad choice, and takes the first.
    config.write_text(yaml.safe_dump({"default_context": {"license": "GPL"}}))
    done = run("--no-input")
    assert done.returncode == 0
    assert "GPL provided for choice variable license" in done.stderr
    assert contents(tmp_path / PROJECT) == files


VERSIONS = {"3.11": "cookiecutter<3", "3.13": "cookiecutter<3", "3.12": "cookiecutter==2.6.0"}


def find_python(version: str) -> Path | None:
    """Look for a Python on the PATH, then among pyenv's."""
    found = shutil.which(f"python{version}")
    if (
        found
        and subprocess.run([found, "--version"], capture_output=True, check=False).returncode == 0
    ):
        return Path(found)
    return next((Path.home() / ".pyenv/versions").glob(f"{version}.*/bin/python"), None)


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_other_versions(
    template: Path, files: dict[str, bytes], home: Path, tmp_path: Path, version: str
) -> None:
    if not (python := find_python(version)):
        pytest.skip(f"no Python {version} on this machine")
    uv = ["uv", "run", "--no-project", "--python", str(python), "--with", VERSIONS[version]]
    done = subprocess.run(
        [*uv, "cookiecutter", str(template), "--no-input", "init_git=yes"],
        cwd=tmp_path / "out",
        env=os.environ | {"GIT_CONFIG_GLOBAL": str(home / ".gitconfig")},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if "==" in VERSIONS[version]:
        assert_nothing(done, tmp_path / "out")
        assert "This template needs cookiecutter 2.7 or newer" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert contents(tmp_path / PROJECT) == files
