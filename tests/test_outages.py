"""The Prefect server goes away in mid-run: what docs/reliability.md promises holds."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import BakedProject
from .deployed import deploy
from .lab import Lab, Paused, console, fault
from .services import free_port, prefect_server

pytestmark = pytest.mark.slow


@dataclass
class Outcome:
    """What became of a flow run whose server was away, of its model, and of the next one."""

    state: str
    version: int
    next_state: str


def be_away(project: BakedProject, folder: Path, seconds: float) -> Outcome:
    """Kill the server while a flow run fits, let that one go on, and start the server again."""
    port = free_port()
    lab = Lab(project, folder, f"http://127.0.0.1:{port}/api")
    paused = Paused(folder, "fitting")
    with ExitStack() as stack:
        with prefect_server(project, folder, port) as server:
            deployed = deploy(lab, server)
            stack.enter_context(deployed.worker())
            run = deployed.run(1, paused)
            paused.reached()
        stack.enter_context(fault())
        paused.go_on()
        time.sleep(seconds)
        stack.enter_context(prefect_server(project, folder, port))
        state = deployed.end(run)
        version = stack.enter_context(console(lab)).champion()["version"]
        return Outcome(state, version, deployed.end(deployed.run(2)))


@pytest.fixture(scope="module")
def long_outage(
    project: BakedProject, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["Future[Outcome]"]:
    """Five minutes that go by while other tests run."""
    with ThreadPoolExecutor() as pool:
        yield pool.submit(be_away, project, tmp_path_factory.mktemp("long"), 300)


@pytest.mark.usefixtures("long_outage")
def test_the_prefect_server_is_away_for_seconds(project: BakedProject, tmp_path: Path) -> None:
    outcome = be_away(project, tmp_path, 20)
    assert outcome == Outcome("COMPLETED", 2, "COMPLETED")


def test_the_prefect_server_is_away_for_minutes(long_outage: "Future[Outcome]") -> None:
    """The model is there; the flow run may be called crashed although it did its work."""
    outcome = long_outage.result()
    assert outcome.state in {"COMPLETED", "CRASHED", "FAILED"}
    assert outcome.version == 2
    assert outcome.next_state == "COMPLETED"
