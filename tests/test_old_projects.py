"""Projects of the old layout move to the kit by what CHANGELOG.md says, with their champions."""

import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import TEMPLATE, BakedProject
from .lab import PrefectServer, prefect_server
from .test_life import BLOCK
from .test_updates import IDENTITY, commit, cruft, git, replace, run

# The first commit whose bake trained, one halfway, and the last of the old layout.
COMMITS = {"first": "dcc1fd6", "halfway": "061ea4b", "last": "73f8e14"}
RECIPE = (TEMPLATE / "CHANGELOG.md").read_text().partition("## Moving to the kit")[2]
UPDATE, COMMIT = re.findall(r"^```\n(.*?)```", RECIPE, re.DOTALL | re.MULTILINE)
PACKAGE = "src/taxi_duration"
EDITS = {
    "data.py": ("MIN_MINUTES, MAX_MINUTES = 1, 60", "MIN_MINUTES, MAX_MINUTES = 1, 50"),
    "features.py": ("MAX_MILES = 100", "MAX_MILES = 80"),
}
ADDED, DELETED = f"{PACKAGE}/holidays.py", "data/trips_2024-01.parquet"
# The error of the predictions of a month on the rows that EDITS leave.
RMSE = """
import pandas as pd
trips = pd.read_parquet("data/trips_2024-03.parquet")
pickup = trips["lpep_pickup_datetime"]
minutes = (trips["lpep_dropoff_datetime"] - pickup).dt.total_seconds() / 60
kept = minutes.between(1, 50) & (pickup.dt.strftime("%Y-%m") == "2024-03")
kept &= trips[["PULocationID", "DOLocationID"]].notna().all(axis=1)
predicted = pd.read_parquet("predictions/trips_2024-03.parquet")["prediction"]
print(((predicted - minutes)[kept] ** 2).mean() ** 0.5)
"""

pytestmark = pytest.mark.slow


def walk(name: str) -> object:
    asked = ["git", "cat-file", "-e", f"{COMMITS[name]}^{{commit}}"]
    lacks = subprocess.run(asked, cwd=TEMPLATE, capture_output=True, check=False).returncode
    reason = f"the history is shallow: it lacks {COMMITS[name]}"
    return pytest.param(name, marks=pytest.mark.skipif(lacks != 0, reason=reason))


@pytest.fixture(scope="module")
def upstream(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clone the template with its history, and commit what the working copy has."""
    folder = tmp_path_factory.mktemp("template")
    git(folder, "clone", "--quiet", str(TEMPLATE), "upstream")
    git(folder / "upstream", "rm", "--quiet", "-r", ".")
    shutil.copytree(template, folder / "upstream", dirs_exist_ok=True)
    git(folder / "upstream", "add", "--all")
    git(folder / "upstream", "commit", "--quiet", "--allow-empty", "--message", "today")
    return folder / "upstream"


@pytest.fixture(scope="module")
def server(
    project: BakedProject, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PrefectServer]:
    with prefect_server(project, tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two environments, for the old projects and for the new: each is compiled once."""
    return tmp_path_factory.mktemp("environments")


def edit(project: BakedProject) -> None:
    """Make the edits that the user once made, or bring them back."""
    for name, (old, new) in EDITS.items():
        replace(project.path / PACKAGE / name, old, new)


def poe(project: BakedProject, server: PrefectServer, *arguments: str, check: bool = True) -> str:
    """Run a command, and return all that it prints."""
    api = {"PREFECT_API_URL": server.url}
    done = project.run("uv", "run", "poe", *arguments, check=check, **api)
    return done.stdout + done.stderr


def asked(project: BakedProject, query: str) -> list[object]:
    """Return the first column of what MLflow's database answers."""
    with sqlite3.connect(project.path / "mlflow.db") as database:
        return [row[0] for row in database.execute(query)]


@pytest.fixture
def old(
    request: pytest.FixtureRequest,
    upstream: Path,
    environments: Path,
    server: PrefectServer,
    tmp_path: Path,
) -> BakedProject:
    """A project of an old commit, with what its user did, a lock and a champion."""
    checkout = ["--checkout", COMMITS[request.param]]
    cruft(tmp_path, "create", str(upstream), *checkout, "--no-input")
    project = BakedProject(tmp_path / "taxi-duration", tmp_path / "home", environments / "old")
    edit(project)
    (project.path / ADDED).write_text('"""Days of our own."""\n')
    (project.path / DELETED).unlink()
    git(project.path, "init", "--quiet", "--initial-branch=main")
    project.run("uv", "sync", "--quiet", "--python", sys.executable)
    commit(project.path)
    assert "version 1 promoted" in poe(project, server, "train")
    return project


def update(old: BakedProject, environments: Path) -> None:
    """Do the recipe's first step, and bring the edits back."""
    settings = old.path / "pyproject.toml"
    text = settings.read_text().replace("skip = []", 'skip = ["data"]')
    settings.write_text(
        text if "[tool.cruft]" in text else f'{text}\n[tool.cruft]\nskip = ["data"]\n'
    )
    commit(old.path, "skip")
    for line in UPDATE.splitlines():
        line = line.replace("uvx cruft", f"{sys.executable} -m cruft")
        line += " --skip-apply-ask" if line.endswith("cruft update") else ""
        run(old.path, "bash", "-c", line)
    assert not [*old.path.rglob("*.rej")]
    edit(old)
    old.venv = environments / "new"


@pytest.mark.parametrize("old", [walk(name) for name in COMMITS], indirect=True)
def test_it_moves_with_its_edits_and_its_champion(
    request: pytest.FixtureRequest,
    old: BakedProject,
    upstream: Path,
    environments: Path,
    server: PrefectServer,
    tmp_path: Path,
) -> None:
    name = request.node.callspec.params["old"]
    log = git(old.path, "log")
    [learnt] = asked(old, "SELECT value FROM metrics WHERE key = 'test_rmse'")
    update(old, environments)

    # The champion predicts as it did when it was new.
    old.run("uv", "sync", "--quiet", "--python", sys.executable)
    assert "rows with version 1" in poe(old, server, "score")
    rmse = float(old.run("uv", "run", "python", "-c", RMSE).stdout)
    assert rmse == pytest.approx(learnt, abs=1e-5)
    if name == "first":  # it holds nothing that monitoring could compare with
        refused = poe(old, server, "monitor", check=False)
        assert "holds no reference.json; train, and promote the new version" in refused

    for line in COMMIT.splitlines():
        # The whole check once: the updated projects differ in nothing.
        short = "uv run poe lint && uv run pytest -q tests/test_your_data.py"
        line = line if name == "first" else line.replace("uv run poe check", short)
        old.run("bash", "-c", line, **IDENTITY)
    assert log in git(old.path, "log")
    assert not git(old.path, "status", "--porcelain")
    cruft(tmp_path, "create", str(upstream), "--no-input", "--output-dir", str(tmp_path / "new"))
    new = BakedProject(tmp_path / "new/taxi-duration", tmp_path / "home")
    files = git(old.path, "ls-files").splitlines()
    assert {*files} - {*new.files} == {ADDED, "uv.lock"}
    assert {*new.files} - {*files} == {DELETED}
    both = {*files} & {*new.files}
    differ = {f for f in both if (old.path / f).read_bytes() != (new.path / f).read_bytes()}
    assert differ == {f"{PACKAGE}/{f}" for f in EDITS}

    if name == "halfway":  # to save a minute: what follows is the same for all
        return
    # The next model is compared with it, and stands next to it.
    trained = poe(old, server, "train")
    assert re.search(r"Version 2 (not )?promoted: .* version 1 \(champion\)", trained)
    assert asked(old, "SELECT version FROM model_versions ORDER BY version") == [1, 2]
    assert len(asked(old, "SELECT DISTINCT experiment_id FROM runs")) == 1
    if name == "first":
        poe(old, server, "promote", "--version", "2", "--reason", "it can be monitored")
        assert "compared with what version 2 learnt from" in poe(old, server, "monitor")


@pytest.mark.parametrize("name", [walk("last")])
def test_no_old_name_is_left_on_the_server(
    name: str, upstream: Path, environments: Path, server: PrefectServer, tmp_path: Path
) -> None:
    def baked(folder: str, *options: str) -> BakedProject:
        cruft(tmp_path, "create", str(upstream), *options, "--no-input", "--output-dir", folder)
        path = tmp_path / folder / "taxi-duration"
        made = BakedProject(path, tmp_path / "home", environments / folder)
        made.run("uv", "sync", "--quiet", "--python", sys.executable)
        return made

    def found(kind: str) -> dict[str, str]:
        return {one["name"]: one["id"] for one in server.post(f"{kind}/filter")}

    def deployments() -> set[str]:
        flows = {identity: flow for flow, identity in found("flows").items()}
        listed = server.post("deployments/filter")
        return {f"{flows[one['flow_id']]}/{one['name']}" for one in listed}

    old = baked("old", "--checkout", COMMITS[name])
    poe(old, server, "deploy")
    old.run("uv", "run", "python", "-c", BLOCK, PREFECT_API_URL=server.url)
    poe(old, server, "automations", "--notify", "custom-webhook/sink")
    names = re.findall(r"`((?:train|score|monitor|retrain)/[a-z-]+)`", RECIPE)
    assert deployments() == {*names}
    automations = found("automations")

    new = baked("new")
    command = ["uv", "run", "prefect", "deployment", "delete", names[0]]
    new.run(*command, PREFECT_API_URL=server.url)
    for deployment in names[1:]:
        identity = server.get(f"deployments/name/{deployment}")["id"]
        server.send("DELETE", f"deployments/{identity}", {})
    for automation in re.findall("`<slug>: (.+?)`, which", RECIPE):
        identity = automations.pop(f"taxi-duration: {automation}")
        server.send("DELETE", f"automations/{identity}", {})
    poe(new, server, "deploy")
    poe(new, server, "automations", "--notify", "custom-webhook/sink")

    assert deployments()
    assert all(name.startswith("taxi-duration-") for name in deployments())
    # The one that is left is still the one of its name.
    assert len(server.post("automations/filter")) == 6
    assert automations.items() <= found("automations").items()
