"""The Prefect server goes away in mid-run: what docs/reliability.md promises holds."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import BakedProject
from .lab import (
    Deployment,
    Lab,
    Paused,
    PrefectServer,
    console,
    deploy,
    fault,
    free_port,
    prefect_server,
)

pytestmark = pytest.mark.slow


@dataclass
class Site:
    """A deployment with a worker, and a server that is ended and started at will."""

    deployed: Deployment
    folder: Path
    running: ExitStack

    @classmethod
    def start(cls, project: BakedProject, folder: Path) -> "Site":
        lab = Lab(project, folder, f"http://127.0.0.1:{free_port()}/api")
        site = cls(Deployment(lab, PrefectServer(lab.api)), folder, ExitStack())
        site.start_server()
        deploy(lab, site.deployed.server)
        return site

    def start_server(self) -> None:
        lab = self.deployed.lab
        port = int(lab.api.split(":")[2].removesuffix("/api"))
        self.running.enter_context(prefect_server(lab.project, self.folder, port))

    def version(self) -> int:
        """The champion's, after it has predicted."""
        with console(self.deployed.lab) as opened:
            return int(opened.champion()["version"])

    def be_away(self, rounds: int, seconds: float, **env: str) -> str:
        """End the server while a flow run fits, start it again later; how that flow run ends."""
        paused = Paused(self.folder, "fitting")
        run = self.deployed.run(rounds, paused, **env)
        paused.reached()
        with fault():
            self.running.close()
            paused.go_on()
            time.sleep(seconds)
            self.start_server()
            return self.deployed.server.end(run)


@pytest.fixture(scope="module")
def site(project: BakedProject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    started = Site.start(project, tmp_path_factory.mktemp("outages"))
    with started.deployed.worker():
        yield started
    started.running.close()


def test_the_prefect_server_is_away_for_seconds(site: Site) -> None:
    assert site.be_away(4, 20) == "COMPLETED"
    assert site.version() == 2


def test_the_prefect_server_is_away_for_minutes(site: Site) -> None:
    """The model is there, though the flow run cannot say so; the next one works.

    Prefect's client tries for a minute (5 times, after 2, 4, 8 s and so on), in each of the four
    tries of a task. Here it tries once, and the tasks' waits are shorter: what takes five minutes
    elsewhere takes half a minute here.
    """
    state = site.be_away(8, 30, PREFECT_CLIENT_MAX_RETRIES="1")
    assert state in {"COMPLETED", "CRASHED", "FAILED"}
    assert site.version() == 3
    assert site.deployed.server.end(site.deployed.run(16)) == "COMPLETED"
