"""In containers: the docker work pool's image and flow runs, and compose.yaml's platform.

They share one engine, as two of podman's services disturb each other. With podman, postgres:17 is
Debian's PostgreSQL (postgres-image/), and nothing else has the network of compose's containers.
"""

import json
import os
import re
import shutil
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from .conftest import BakedProject
from .containers import Engine, base_image, engine, own_network
from .lab import (
    Lab,
    PrefectServer,
    answers,
    free_port,
    mlflow_server,
    prefect_server,
    process,
    wait_until,
)
from .odd_requests import but
from .test_deployments import AD_HOC, SMALL, STORE, commit
from .test_serving import JSON

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

POSTGRES_IMAGE = Path(__file__).parent / "postgres-image"
PREFECT, MLFLOW = "http://127.0.0.1:4200/api", "http://127.0.0.1:5000"
ENDPOINT = "http://127.0.0.1:8000"
SCORE = "taxi-duration-score/daily"
# Docker's command in front of podman-compose.
DOCKER = f"""#!/bin/sh
shift
exec {sys.executable} -m podman_compose "$@"
"""


@pytest.fixture(scope="module")
def base_images(pytestconfig: pytest.Config) -> Path:
    assert pytestconfig.cache
    return pytestconfig.cache.mkdir("base-image")


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory, base_images: Path) -> Iterator[Engine]:
    with engine(tmp_path_factory.mktemp("docker"), base_images) as made:
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


@dataclass
class Platform:
    """A project's containers."""

    project: BakedProject
    engine: Engine
    env: dict[str, Any]

    def run(self, line: str) -> None:
        """Run a line of the page in the project's folder; wait for what it started."""
        self.project.run("sh", "-ec", line, **self.env)
        if " --wait" in line and self.engine.program == "podman":
            # Before 4.6 podman does not wait, and without systemd it does not check by itself.
            services = ("postgres", "prefect", "mlflow")
            for name in (line.split()[-1],) if line.endswith(services) else services:
                wait_until(partial(self.is_healthy, name), f"a healthy {name}")

    def container(self, service: str) -> str:
        label = f"label=com.docker.compose.service={service}"
        return self.engine.run("ps", "--all", "--quiet", "--filter", label).strip()

    def is_healthy(self, service: str) -> bool:
        try:
            self.engine.run("healthcheck", "run", self.container(service))
        except AssertionError:
            return False
        return True

    def worker_process(self) -> int:
        state = ("inspect", "--format", "{{.State.Pid}}", self.container("worker"))
        return int(self.engine.run(*state))

    def complete(self, deployment: str, **parameters: Any) -> str:
        """Have the worker run a flow, and return the flow run's id."""
        server = PrefectServer(PREFECT)
        wanted = (self.project.path / "prefect.yaml").read_text().count("entrypoint:")
        try:
            wait_until(lambda: server.post("deployments/count") == wanted, "the deployments")
        except AssertionError as error:
            error.add_note(self.engine.run("logs", "--tail", "50", self.container("worker")))
            raise
        flow_run = server.start(deployment, **parameters)
        server.wait_for(flow_run)
        return flow_run

    def champion(self) -> Any:
        """Return what MLflow says of the champion."""
        alias = "registered-models/alias?name=taxi-duration&alias=champion"
        with urllib.request.urlopen(f"{MLFLOW}/api/2.0/mlflow/{alias}") as response:
            return json.load(response)["model_version"]


def stand_in(made: Engine, folder: Path, cache: Path) -> dict[str, str]:
    """Make what cannot be pulled, and return the environment in which podman is Docker."""
    if made.run("info", "--format", "{{.Host.NetworkBackend}}").strip() != "netavark":
        pytest.skip("podman has no netavark, so containers could not find each other by name")
    debian = base_image(folder, cache, "postgresql", "postgresql,ca-certificates")
    made.run("import", str(debian), "debian-postgresql")
    made.build("docker.io/library/postgres:17", POSTGRES_IMAGE)
    (folder / "docker").write_text(DOCKER)
    (folder / "docker").chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    return made.env | {"BUILDAH_ISOLATION": "chroot", "PATH": path}


def pages_lines(project: BakedProject) -> list[list[str]]:
    """Return the commands of the page: to start, to back up, to restore."""
    page = (project.path / "docs/deployments.md").read_text()
    section = page.partition("## For a team: in containers")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return [block.splitlines() for block in blocks]


@pytest.fixture(scope="module")
def platform(
    bake: Callable[..., BakedProject],
    docker: Engine,
    tmp_path_factory: pytest.TempPathFactory,
    base_images: Path,
) -> Iterator[Platform]:
    project = bake(init_git=False)
    project.run("uv", "lock", "--quiet")
    made = Platform(project, docker, {})
    with ExitStack() as stack:
        if docker.program == "podman":
            made.env = stand_in(docker, tmp_path_factory.mktemp("compose"), base_images)
        (project.path / ".env").touch()
        refused = project.run("sh", "-c", "docker compose build", check=False, **made.env)
        assert "choose one in .env" in refused.stdout + refused.stderr
        (project.path / ".env").write_text("POSTGRES_PASSWORD='p@ss: w/rd'\n")
        made.run("docker compose build")
        if made.engine.program == "podman":
            stack.enter_context(own_network())
        stack.callback(made.run, "docker compose down --volumes")
        for line in pages_lines(project)[0]:
            made.run(line)
        yield made


@pytest.fixture(scope="module")
def training(platform: Platform) -> str:
    return platform.complete(AD_HOC, **SMALL)


@pytest.fixture(scope="module")
def champion(platform: Platform, training: str) -> Any:
    return platform.champion()


def test_a_training_completes(champion: Any) -> None:
    assert champion["version"] == "1"


def test_only_this_machine_gets_in(platform: Platform) -> None:
    assert published(platform) == ["127.0.0.1:4200", "127.0.0.1:5000"]
    asked = f"{MLFLOW}/api/2.0/mlflow/experiments/get?experiment_id=0"
    rebound = urllib.request.Request(asked, headers={"Host": "rebound.example:5000"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(rebound)


def published(platform: Platform) -> list[str]:
    """Return the addresses at which containers listen outside of their network."""
    ports = platform.engine.run("ps", "--format", "{{.Ports}}")
    return sorted(re.findall(r"(\S+:\d+)->", ports))


def test_the_endpoint_answers_with_the_champion(platform: Platform, champion: Any) -> None:
    with (platform.project.path / ".env").open("a") as file:
        file.write("COMPOSE_PROFILES=endpoint\n")
    platform.run("docker compose up --detach --wait")
    wait_until(partial(answers, f"{ENDPOINT}/health"), "the endpoint")
    asked = urllib.request.Request(f"{ENDPOINT}/invocations", but().encode(), JSON)
    with urllib.request.urlopen(asked) as response:
        assert response.headers["X-Model-Version"] == champion["version"]
        [predicted] = json.load(response)["predictions"]
    assert predicted > 0
    assert published(platform) == ["127.0.0.1:4200", "127.0.0.1:5000", "127.0.0.1:8000"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may kill a container's process")
def test_a_killed_worker_works_again(platform: Platform, champion: Any) -> None:
    killed = platform.worker_process()
    os.kill(killed, signal.SIGKILL)
    platform.complete(SCORE)
    assert platform.worker_process() != killed
    assert platform.champion() == champion


def test_restarted_servers_lose_nothing(platform: Platform, champion: Any) -> None:
    platform.run("docker compose restart postgres prefect mlflow")
    platform.run("docker compose up --detach --wait")
    assert platform.champion() == champion
    platform.complete(SCORE)


def test_a_backup_is_restored(platform: Platform, training: str, champion: Any) -> None:
    _, back_up, restore = pages_lines(platform.project)
    for line in (*back_up, "docker compose down --volumes"):
        platform.run(line)
    volumes = ("volume", "ls", "--quiet", "--filter", "name=taxi-duration_")
    assert platform.engine.run(*volumes).split() == []
    for line in restore:
        platform.run(line)
    assert platform.champion() == champion
    assert PrefectServer(PREFECT).state(training) == "COMPLETED"
    platform.complete(SCORE)
