"""What is killed in mid-run: what docs/reliability.md promises holds."""

import os
import signal
from pathlib import Path

import pytest

from .conftest import BakedProject
from .deployed import Deployment, deploy
from .lab import MONTHS, Lab, Paused, console, fault
from .services import PrefectServer

pytestmark = pytest.mark.slow

STAGES = ("cleaning", "fitting", "logging", "promoting")


@pytest.fixture(scope="module")
def deployed(
    project: BakedProject, shared_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    lab = Lab(project, tmp_path_factory.mktemp("kills"), shared_server.url)
    return deploy(lab, shared_server)


def test_a_flow_run_is_killed_at_each_stage(deployed: Deployment, tmp_path: Path) -> None:
    """Each goes on from the checkpoints of the one before; the champion is whole throughout."""
    cached: list[list[str]] = []
    with deployed.worker(), console(deployed.lab) as opened:
        before = opened.champion()
        for stage in STAGES:
            paused = Paused(tmp_path, stage)
            run = deployed.run(1, paused)
            with fault():
                os.kill(paused.reached(), signal.SIGKILL)
                assert deployed.end(run) == "CRASHED"
                assert opened.champion() == before
            cached.append(deployed.cached(run))
        run = deployed.run(1)
        assert deployed.end(run) == "COMPLETED"
        cached.append(deployed.cached(run))
        assert opened.champion()["version"] == before["version"] + 2
    months = [f"clean trips_{month}.parquet" for month in MONTHS]
    assert cached == [[], months[:-1], months, [*months, "fit"], [*months, "fit"]]


def test_the_worker_is_killed(deployed: Deployment, tmp_path: Path) -> None:
    """The flow run does not need it, and ends well."""
    paused = Paused(tmp_path, "fitting")
    with deployed.worker() as worker:
        run = deployed.run(2, paused)
        paused.reached()
        with fault():
            worker.kill()
            worker.wait()
            paused.go_on()
            assert deployed.end(run) == "COMPLETED"


def test_the_worker_and_the_flow_run_are_killed(deployed: Deployment, tmp_path: Path) -> None:
    """Nobody is left to say so: the automation does, and the next flow run takes its turn."""
    paused = Paused(tmp_path, "logging")
    with deployed.worker() as worker, console(deployed.lab) as opened:
        before = opened.champion()
        run = deployed.run(3, paused)
        trainer = paused.reached()
        with fault():
            worker.kill()
            worker.wait()
            os.kill(trainer, signal.SIGKILL)
            second = deployed.run(3)
            with deployed.worker():
                assert deployed.end(run) == "CRASHED"
                assert deployed.end(second) == "COMPLETED"
            assert opened.champion() == before
    assert "fit" in deployed.cached(second)
