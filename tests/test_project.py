"""The rendered project at work: its checks, its own tests, its training, its faults."""

import json
import logging
import re
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from .conftest import TEMPLATE, BakedProject
from .lab import MAKE, WORLD, PrefectServer, wait_until
from .test_surroundings import find_python

pytestmark = pytest.mark.slow

STORE = """
import json
from mlflow import MlflowClient
client = MlflowClient("sqlite:///mlflow.db")
version = client.get_model_version_by_alias("taxi-duration", "champion")
run = client.get_run(version.run_id)
print(json.dumps({"version": version.version, "rmse": run.data.metrics["test_rmse"]}))
"""
REPORT = """
from prefect.artifacts import Artifact
print(Artifact.get("taxi-duration-training").data)
"""
PROMOTED = (
    r"Version 1 promoted: test RMSE 4\.\d+ minutes, \d\d\.\d% below the mean baseline "
    r"\(95% CI \d\d\.\d to \d\d\.\d%\), beyond noise\n"
)

TEAMS = """
PREFECT_API_URL=http://127.0.0.1:1/api
MLFLOW_TRACKING_URI=http://127.0.0.1:1
TAXI_DURATION_PREDICTION_LOCATION=s3://nowhere/predictions
TAXI_DURATION_DATA_LOCATION=data
TAXI_DURATION_MIN_GAIN=0.99
"""


def git_status(project: BakedProject) -> str:
    return project.run("git", "status", "--porcelain").stdout.strip()


def champion(project: BakedProject) -> str:
    return project.run("uv", "run", "python", "-c", STORE).stdout


def is_logged(server: PrefectServer, error: str) -> bool:
    logs = server.post("logs/filter", logs={"level": {"ge_": logging.ERROR}})
    return any(error in log["message"] for log in logs)


def test_its_own_checks_pass_and_leave_nothing(fresh: BakedProject) -> None:
    # A month that is added, as teams do, turns nothing red.
    add = ("uv", "run", "python", "-c", MAKE, str(fresh.path / "data"), str(WORLD), "2024-04")
    fresh.run(*add)
    # Nor does a team's .env, and nothing reaches the team: these are not there, and not asked.
    (fresh.path / ".env").write_text(TEAMS)
    done = fresh.run("uv", "run", "poe", "check")
    assert "Success: no issues found" in done.stdout
    assert re.search(r"\d+ passed", done.stdout)
    # Real months are not in the repository.
    assert not re.search(r"^SKIPPED(?!.*REAL_MONTHS)", done.stdout, re.MULTILINE)
    assert git_status(fresh).splitlines() == ["?? data/trips_2024-04.parquet", "?? uv.lock"]


def test_poe_lists_commands_with_help(project: BakedProject) -> None:
    # poe lists them, and exits with 1 since no task ran.
    listing = project.run("uv", "run", "poe", check=False).stdout.partition("Configured tasks:")[2]
    commands = re.findall(r"^  (\S+)(.*)$", listing, re.MULTILINE)
    assert {"train", "lint", "typecheck", "test", "check"} <= {name for name, _ in commands}
    assert all(help_line.strip() for _, help_line in commands)
    for name in ("lint", "train"):
        assert name in project.run("uv", "run", "poe", "--help", name).stdout


def test_train_promotes_once_survives_bad_months_and_a_move(
    fresh: BakedProject, shared_server: PrefectServer, tmp_path: Path
) -> None:
    first = fresh.run("uv", "run", "poe", "train")
    output = first.stdout + first.stderr
    assert re.search(PROMOTED, output)
    assert output.count("Starting temporary server") == 1
    assert not re.search(r"Traceback|Warning|WARNING|telemetry", output)
    report = fresh.run("uv", "run", "python", "-c", REPORT).stdout
    assert "version 1 promoted to champion" in report
    assert "| trips_2024-03.parquet | test | 2024-03 | 10,000 |" in report
    before = champion(fresh)

    # From here on with a server that runs: one of its own takes each training 15 seconds.
    env: dict[str, Any] = {"PREFECT_API_URL": shared_server.url}
    second = fresh.run("uv", "run", "poe", "train", **env)
    output = second.stdout + second.stderr
    assert "Version 2 not promoted: test RMSE 4.959 minutes, the same as version 1" in output
    cached = re.findall(r"'clean \S+' - Finished in state (\w+)", output)
    assert cached == ["Cached"] * 3
    report = fresh.run("uv", "run", "python", "-c", REPORT, **env).stdout
    assert "not promoted" in report
    assert "less than the gain of 0.5% that is asked for" in report
    assert champion(fresh) == before
    assert git_status(fresh) == "?? uv.lock"

    for month, (spoil, message) in FAULTS.items():
        bad = tmp_path / f"trips_{month}.parquet"
        shutil.copy(fresh.path / "data/trips_2024-03.parquet", bad)
        spoil(bad)
        options = ("--test-path", str(bad))
        failed = fresh.run("uv", "run", "poe", "train", *options, check=False, **env)
        output = failed.stdout + failed.stderr
        assert failed.returncode not in {0, None}
        errors = [line for line in output.splitlines() if re.search(r"error|ERROR|Error", line)]
        assert len(errors) == 1, output
        assert errors[0].startswith(f"error: {bad}: ")
        assert message in errors[0]
        assert "Traceback" not in output
        assert champion(fresh) == before
        # The server's logs have it as well, and all of it.
        wait_until(partial(is_logged, shared_server, str(bad)), "the server's log")

    moved = BakedProject(fresh.path.rename(tmp_path / "elsewhere"), fresh.home, fresh.venv)
    output = moved.run("uv", "run", "poe", "train", **env).stderr
    assert "Version 3 not promoted" in output
    assert champion(moved) == before

    # What was made by other code is not taken for what today's makes.
    features = moved.path / "src" / fresh.package / "features.py"
    today = features.read_text()
    features.write_text(today.replace("time.day_of_week", "0 * time.day_of_week"))
    edited = moved.run("uv", "run", "poe", "train", **env).stderr
    assert re.search(r"Version 4 not promoted: test RMSE \d.*% above version 1 ", edited)
    features.write_text(today)
    undone = moved.run("uv", "run", "poe", "train", **env).stderr
    assert re.search(r"'fit-\w+' - Finished in state Cached", undone)
    assert "Version 5 not promoted: test RMSE 4.959 minutes, the same as version 1" in undone


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def rename_column(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(
        table.rename_columns([n.replace("DOLoc", "DropLoc") for n in table.column_names]), path
    )


def empty(path: Path) -> None:
    pq.write_table(pq.read_table(path)[:0], path)


def zero_length(path: Path) -> None:
    table = pq.read_table(path)
    pickup = table["lpep_pickup_datetime"]
    index = table.schema.get_field_index("lpep_dropoff_datetime")
    pq.write_table(table.set_column(index, "lpep_dropoff_datetime", pickup), path)


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "2024-04": (truncate, "not a whole parquet file"),
    "2024-05": (rename_column, "column 'DOLocationID' is missing"),
    "2024-06": (empty, "has no rows"),
    "2024-07": (zero_length, "no rows left of 10,000"),
}


def test_the_sample_months_are_made_again_to_the_byte(
    project: BakedProject, tmp_path: Path
) -> None:
    script = TEMPLATE / "tests/kit/make_months.py"
    project.run("uv", "run", "python", str(script), str(tmp_path))
    for path in (project.path / "data").glob("*.parquet"):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_pre_commit_runs_the_same_tools(fresh: BakedProject) -> None:
    done = fresh.run("uv", "run", "pre-commit", "run", "--all-files")
    assert "Failed" not in done.stdout
    (fresh.path / "src/taxi_duration/model.py").write_text("import os\n")
    assert fresh.run("uv", "run", "pre-commit", "run", "--all-files", check=False).returncode


# Answers that a project's tests run with, on another Python.
OTHERS: dict[str, dict[str, str | bool]] = {
    "3.12": {
        "storage": "git",
        "work_pool_type": "docker",
        "license": "Apache-2.0",
        "create_work_pool": True,
        "prefect_api_url": "http://127.0.0.1:1/api",  # where no server is
    },
    "3.13": {"license": "none", "init_git": False},
}


def test_each_value_of_each_choice_is_among_them() -> None:
    questions = json.loads((TEMPLATE / "cookiecutter.json").read_text())
    for question, values in questions.items():
        if isinstance(values, list | bool) and not question.startswith("_"):
            default, *_ = values if isinstance(values, list) else [values]
            tried = {default, *(answers.get(question, default) for answers in OTHERS.values())}
            assert tried == ({*values} if isinstance(values, list) else {True, False})


@pytest.mark.parametrize("python", OTHERS)
def test_other_answers_and_pythons(bake: Callable[..., BakedProject], python: str) -> None:
    project = bake(**OTHERS[python])
    found = find_python(python)
    project.run("uv", "sync", "--quiet", "--python", str(found or sys.executable))
    assert re.search(r"\d+ passed", project.run("uv", "run", "poe", "test", "-q").stdout)
    if not found:
        pytest.skip(f"Python {python} is not on this machine: the tests ran on its own")


@pytest.mark.parametrize("system", ["linux", "macos", "windows"])
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_all_that_is_locked_has_wheels(
    project: BakedProject, tmp_path: Path, python: str, system: str
) -> None:
    """On x86-64, and of macOS on arm64: nobody needs a compiler."""
    listed = ["uv", "export", "--quiet", "--frozen", "--all-groups", "--no-emit-project"]
    locked = tmp_path / "locked.txt"
    project.run(*listed, "--no-hashes", "--output-file", str(locked))
    target = ["--python-version", python, "--python-platform", system, "--no-python-downloads"]
    resolve = ["uv", "pip", "compile", "--quiet", "--no-deps", "--only-binary", ":all:", *target]
    done = project.run(*resolve, str(locked), check=False)
    if "Failed to fetch" in done.stderr:
        pytest.skip(f"the index of packages is out of reach: {done.stderr.splitlines()[0]}")
    assert not done.returncode, done.stderr
    assert "prefect==" in done.stdout
