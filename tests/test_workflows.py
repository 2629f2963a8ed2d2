"""The workflows of both houses: pinned, safe, and made of commands that other tests run."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import TEMPLATE, BakedProject
from .lab import PrefectServer

RENDERED = TEMPLATE / "{{cookiecutter.project_slug}}"
WORKFLOWS = sorted(
    path for house in (TEMPLATE, RENDERED) for path in (house / ".github/workflows").glob("*.yml")
)
DEPLOY = RENDERED / ".github/workflows/deploy.yml"

DATE = re.compile(r'^(?:# )?exclude-newer = "([\d-]+)"$', re.MULTILINE)
# Programs in benchmarks/ that need nothing installed.
NO_DATE = sum("exclude-newer" not in p.read_text() for p in (TEMPLATE / "benchmarks").glob("*.py"))


def test_zizmor_finds_nothing() -> None:
    zizmor = Path(sys.executable).with_name("zizmor")
    command = [zizmor, "--offline", "--no-progress", TEMPLATE / ".github", RENDERED / ".github"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: str(path.relative_to(TEMPLATE)))
def test_actions_are_pinned_by_commit(path: Path) -> None:
    for step in steps(path):
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])


def test_the_projects_commands_are_those_that_the_tests_run() -> None:
    tests = (TEMPLATE / "tests" / f"test_{name}.py" for name in ("project", "security"))
    ran = "".join(path.read_text() for path in tests)
    commands = [
        step["run"] for step in steps(RENDERED / ".github/workflows/ci.yml") if "run" in step
    ]
    assert commands.pop(0) == "python -m pip install uv"
    for command in commands:
        assert ", ".join(f'"{word}"' for word in command.split()) in ran


def test_the_projects_ci_runs_on_each_branch() -> None:
    """Workers may clone another one than main."""
    triggers = yaml.safe_load((RENDERED / ".github/workflows/ci.yml").read_text())[True]  # on:
    assert triggers == {"push": None, "pull_request": None}


def test_the_deploy_workflow_does_nothing_without_its_secret() -> None:
    checkout, *others = steps(DEPLOY)
    assert "uses" in checkout
    assert all(step["if"].startswith("env.PREFECT_API_URL != ''") for step in others)


def test_the_deploy_workflow_names_the_commits_image(
    bake: Callable[..., BakedProject], tmp_path: Path
) -> None:
    """Its own lines, with a docker that only writes down what it is asked for."""
    project = bake(work_pool_type="docker", init_git=False)
    docker, asked = tmp_path / "docker", tmp_path / "asked"
    docker.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
    docker.chmod(0o755)
    [script] = [step["run"] for step in steps(DEPLOY) if "docker build" in step.get("run", "")]
    github = {"GITHUB_REPOSITORY": "Ada/Taxis", "GITHUB_SHA": "0123", "GITHUB_ACTOR": "ada"}
    path = f"{tmp_path}:{os.environ['PATH']}"
    project.run("bash", "-e", "-c", script, PATH=path, TOKEN="hush", **github)
    image = "ghcr.io/ada/taxis:0123"
    login = "login ghcr.io --username ada --password-stdin"
    assert asked.read_text().splitlines() == [login, f"build --tag {image} .", f"push {image}"]
    deployed = yaml.safe_load((project.path / "prefect.yaml").read_text())
    for deployment in deployed["deployments"]:
        assert deployment["work_pool"]["job_variables"]["image"] == image
        assert deployment["work_pool"]["job_variables"]["image_pull_policy"] == "IfNotPresent"


@pytest.mark.slow
def test_the_deploy_workflow_deploys(fresh: BakedProject, shared_server: PrefectServer) -> None:
    *_, last = steps(DEPLOY)
    env = {
        "DOTENV": "TAXI_DURATION_MIN_GAIN=0.2\nTAXI_DURATION_DRIFT_FAIL=0.3",
        "PREFECT_API_KEY": "",
    }
    env |= {"PREFECT_API_AUTH_STRING": "", "PREFECT_API_URL": shared_server.url}
    said = fresh.run("bash", "-e", "-c", last["run"], **env).stdout
    assert f"Deploying to {shared_server.url}" in said
    assert (fresh.path / ".env").read_text() == f"{env['DOTENV']}\n"
    found = shared_server.post("deployments/filter")
    names = {deployment["name"] for deployment in found if fresh.slug in deployment["tags"]}
    assert {"monthly", "ad-hoc", "daily", "on-drift", "by-hand"} <= names


def test_one_command_moves_the_dates_and_takes_a_bound_away(template: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(template, tmp_path / "copy")
    command = [sys.executable, ".github/bump.py", "--until", "2031-01-02"]
    bump = partial(subprocess.run, cwd=copy, capture_output=True, text=True, check=False)
    said = bump([*command, "--without", "prefect"]).stdout
    rendered = (copy / RENDERED.name / "pyproject.toml").read_text()
    assert re.findall(r'"prefect[^-].*"', rendered) == ['"prefect>=3.9.1"']
    assert '"prefect>=3.9.1"' in said
    dated = [path for path in copy.rglob("*") if path.suffix in {".py", ".toml"}]
    dates = [date for path in dated for date in DATE.findall(path.read_text())]
    assert {*dates} == {"2031-01-02"}
    assert len(dates) == len([*(copy / "benchmarks").glob("*.py")]) + 2 - NO_DATE
    refused = bump([*command, "--without", "nothing"])
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: nothing: has no upper bound")
    [matrix] = [job["strategy"]["matrix"] for job in newest()["jobs"].values()]
    for name in filter(None, matrix["without"]):
        assert bump([*command, "--without", name]).returncode == (name == "prefect"), name


def newest() -> Any:
    return yaml.safe_load((TEMPLATE / ".github/workflows/newest.yml").read_text())


def test_the_templates_own_python_is_clean() -> None:
    for command in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "hooks", "tests", "benchmarks", ".github"]
        done = subprocess.run(ruff, cwd=TEMPLATE, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def steps(workflow: Path) -> list[dict[str, Any]]:
    """Return the steps of all jobs of a workflow."""
    jobs = yaml.safe_load(workflow.read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]
