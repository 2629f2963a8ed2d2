"""compose.yaml: the platform in containers, from its first start to a restored backup.

With podman, postgres:17 is Debian's PostgreSQL (postgres-image/), and nothing else has its network.
"""

import json
import os
import re
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
from .lab import PrefectServer, answers, wait_until
from .odd_requests import but
from .test_deployments import AD_HOC, SMALL
from .test_serving import JSON

pytestmark = pytest.mark.slow

POSTGRES_IMAGE = Path(__file__).parent / "postgres-image"
PREFECT, MLFLOW = "http://127.0.0.1:4200/api", "http://127.0.0.1:5000"
ENDPOINT = "http://127.0.0.1:8000"
SCORE = "taxi-duration-score/daily"
# Docker's command in front of podman-compose.
DOCKER = f"""#!/bin/sh
shift
exec {sys.executable} -m podman_compose "$@"
"""


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
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
) -> Iterator[Platform]:
    assert pytestconfig.cache
    folder, cache = tmp_path_factory.mktemp("compose"), pytestconfig.cache.mkdir("base-image")
    project = bake(init_git=False)
    project.run("uv", "lock", "--quiet")
    with ExitStack() as stack:
        made = Platform(project, stack.enter_context(engine(folder, cache)), {})
        if made.engine.program == "podman":
            made.env = stand_in(made.engine, folder, cache)
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
