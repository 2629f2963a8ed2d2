"""The docker work pool: the image, and a flow run in a container."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .conftest import BakedProject
from .containers import Engine, engine
from .lab import Lab, PrefectServer, free_port, mlflow_server, prefect_server, process
from .test_deployments import AD_HOC, SMALL, STORE, commit

pytestmark = pytest.mark.slow

IMAGE = "taxi-duration:latest"
VOLUME = "taxi-duration-state"
REMOTE = "https://git.example/taxi.git"
MODEL = """
import json, sys
from mlflow import MlflowClient
client = MlflowClient(sys.argv[1])
versions = client.search_model_versions("name = 'taxi-duration'")
runs = {v.version: client.get_run(v.run_id).data.tags["prefect.flow_run_id"] for v in versions}
print(json.dumps([client.get_registered_model("taxi-duration").aliases, runs]))
"""
CODE = """
import importlib.util, json, os
dev = [name for name in ("honcho", "mypy", "pytest") if importlib.util.find_spec(name)]
print(json.dumps({"user": os.getuid(), "dev": dev, "files": sorted(os.listdir("/project"))}))
"""


@pytest.fixture(scope="module")
def docker(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Engine]:
    assert pytestconfig.cache
    with engine(tmp_path_factory.mktemp("docker"), pytestconfig.cache.mkdir("base-image")) as made:
        yield made


@pytest.fixture(scope="module")
def built(bake: Callable[..., BakedProject], docker: Engine) -> BakedProject:
    project = bake(work_pool_type="docker", storage="git", git_repository=REMOTE)
    project.run("uv", "sync", "--quiet")
    (project.path / ".env").write_text("SECRET=s3cret\n")
    docker.build(IMAGE, project.path)
    return project


def test_the_image_holds_what_flow_runs_need(docker: Engine, built: BakedProject) -> None:
    found = json.loads(docker.run("run", "--rm", IMAGE, "python", "-c", CODE))
    assert found["user"] != 0
    assert found["dev"] == []
    assert {"data", "src", "prefect.yaml"} <= {*found["files"]}
    assert not {*found["files"]} & {".env", ".git", "tests"}


def test_a_build_without_a_lock_file_says_so(
    docker: Engine, built: BakedProject, tmp_path: Path
) -> None:
    unlocked = tmp_path / "unlocked"
    shutil.copytree(built.path, unlocked, ignore=shutil.ignore_patterns(".venv", "uv.lock"))
    with pytest.raises(AssertionError, match="Unable to find lockfile"):
        docker.build("unlocked", unlocked)


def test_an_edit_leaves_the_layer_of_dependencies(docker: Engine, built: BakedProject) -> None:
    flow = built.path / "src/taxi_duration/flows/training.py"
    for path in (flow, built.path / "README.md"):
        path.write_text(path.read_text() + "# An edit.\n")
    output = docker.build(IMAGE, built.path)
    dependencies = output.partition("--no-install-project")[2]
    assert re.match(r"\s*(\n#\d+ CACHED|--> Using cache)", dependencies), output


@dataclass
class Working:
    """A project's worker that runs containers, with the servers that its .env names."""

    project: BakedProject
    server: PrefectServer
    mlflow: str
    env: dict[str, str]
    log: Path

    def container(self, flow_run: str) -> str:
        """Return the id of the container that a flow run had."""
        found = self.server.get(f"flow_runs/{flow_run}")["infrastructure_pid"]
        return str(found).rpartition(":")[2]

    def complete(self) -> str:
        """Deploy, run a training in a container, and return the flow run's id."""
        self.project.run("uv", "run", "poe", "deploy", **self.env)
        flow_run = self.server.start(AD_HOC, **SMALL)
        # Not --run-once: podman does not always tell a worker that a container has ended.
        command = ("uv", "run", "poe", "worker")
        env = self.project.environment(**self.env)
        with process(*command, cwd=self.project.path, env=env, log=self.log):
            self.server.wait_for(flow_run)
        assert self.server.get(f"flow_runs/{flow_run}")["infrastructure_pid"]
        return flow_run

    def model(self) -> Any:
        """Return what the MLflow server holds: the aliases, and each version's flow run."""
        return json.loads(self.project.run("uv", "run", "python", "-c", MODEL, self.mlflow).stdout)


@pytest.fixture(scope="module")
def working(
    docker: Engine,
    built: BakedProject,
    project: BakedProject,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Working]:
    folder = tmp_path_factory.mktemp("working")
    with prefect_server(project, folder) as server:
        lab = Lab(project, folder, server.url)
        with mlflow_server(lab, free_port()) as mlflow:
            settings = (f"MLFLOW_TRACKING_URI={mlflow}", "TAXI_DURATION_MIN_GAIN=0.99")
            (built.path / ".env").write_text("\n".join((*settings, "")))
            env = {
                "PREFECT_API_URL": server.url,
                "PREFECT_WORKER_QUERY_SECONDS": "1",
                **docker.env,
            }
            yield Working(built, server, mlflow, env, folder / "log")


def test_a_run_completes_in_a_container(
    bake: Callable[..., BakedProject], docker: Engine, working: Working, tmp_path: Path
) -> None:
    """What .env says at the deploy counts in it: the MLflow server, and what a gain is.

    Without it the model is in the volume.
    """
    own, path = tmp_path / "prefect.yaml", working.project.path / "prefect.yaml"
    shutil.copy(path, own)
    shutil.copy(bake(work_pool_type="docker", init_git=False).path / "prefect.yaml", path)
    flow_run = working.complete()
    assert working.model() == [{"challenger": "1"}, {"1": flow_run}]
    dotenv = working.project.path / ".env"
    said = dotenv.read_text()
    dotenv.write_text("")
    alone = working.complete()
    volume = ["run", "--rm", "--volume", f"{VOLUME}:/state", IMAGE]
    found = json.loads(docker.run(*volume, "python", "-c", STORE, "/state").splitlines()[-1])
    assert found == {"champion": "1", "flow_runs": {"1": alone}}
    assert not (working.project.path / "mlflow.db").exists()
    dotenv.write_text(said)
    shutil.copy(own, path)


def test_a_run_of_a_clone_installs_only_the_project(
    docker: Engine, working: Working, tmp_path: Path
) -> None:
    port, prefect_yaml = free_port(), working.project.path / "prefect.yaml"
    remote = f"git://127.0.0.1:{port}/taxi.git"
    prefect_yaml.write_text(prefect_yaml.read_text().replace(REMOTE, remote))
    commit(working.project)
    working.project.run("git", "clone", "--quiet", "--bare", ".", str(tmp_path / "taxi.git"))
    address = ("--listen=127.0.0.1", f"--port={port}", f"--base-path={tmp_path}")
    daemon = ("git", "daemon", "--export-all", *address, str(tmp_path))
    with process(*daemon, cwd=tmp_path, env=dict(os.environ), log=tmp_path / "daemon.log"):
        flow_run = working.complete()
    aliases, runs = working.model()
    assert aliases == {"challenger": max(runs)}
    assert runs[max(runs)] == flow_run
    said = docker.run("logs", working.container(flow_run))
    assert re.findall(r"Installed (\d+) package", said) == ["1"], said
