"""What is killed in mid-run: what docs/reliability.md promises holds; no secret is left."""

import os
import re
import secrets
import signal
from pathlib import Path

import pytest

from .conftest import BakedProject
from .lab import (
    MONTHS,
    Deployment,
    Lab,
    Paused,
    PrefectServer,
    console,
    deploy,
    fault,
    files_with,
    wait_until,
)

pytestmark = pytest.mark.slow

# What a machine may have in its environment.
SECRETS = {
    name: f"planted:{secrets.token_hex(8)}"
    for name in (
        "AWS_SECRET_ACCESS_KEY",
        "MLFLOW_TRACKING_TOKEN",
        "PGPASSWORD",
        "PREFECT_API_AUTH_STRING",
    )
}
TRIALS = 8
STAGES = ("cleaning", "fitting", "logging", "promoting")


@pytest.fixture(scope="module")
def deployed(
    project: BakedProject, shared_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    lab = Lab(project, tmp_path_factory.mktemp("kills"), shared_server.url, SECRETS)
    return deploy(lab, shared_server)


def test_a_flow_run_is_killed_at_each_stage(deployed: Deployment, tmp_path: Path) -> None:
    """Each goes on from the checkpoints of the one before; the champion is whole throughout."""
    cached: list[list[str]] = []
    with deployed.worker(), console(deployed.lab) as opened:
        before = opened.champion()
        for stage in STAGES:
            paused = Paused(tmp_path, stage)
            run = deployed.run(4, paused)
            with fault():
                os.kill(deployed.reached(run, paused), signal.SIGKILL)
                assert deployed.server.end(run) == "CRASHED"
                assert opened.champion() == before
            cached.append(deployed.cached(run))
        run = deployed.run(4)
        assert deployed.server.end(run) == "COMPLETED"
        cached.append(deployed.cached(run))
        assert opened.champion()["version"] == before["version"] + 2
    months = [f"clean trips_{month}.parquet" for month in MONTHS]
    assert cached == [[], months[:-1], months, [*months, "fit"], [*months, "fit"]]


def test_the_worker_is_killed(deployed: Deployment, tmp_path: Path) -> None:
    """The flow run cannot write its log any more, and says so; the next one goes on."""
    paused = Paused(tmp_path, "fitting")
    with deployed.worker() as worker:
        run = deployed.run(8, paused)
        deployed.reached(run, paused)
        with fault():
            worker.kill()
            worker.wait()
            paused.go_on()
            assert deployed.server.end(run) == "CRASHED"
    with deployed.worker():
        run = deployed.run(8)
        assert deployed.server.end(run) == "COMPLETED"
    assert "fit" in deployed.cached(run)


def test_the_worker_and_the_flow_run_are_killed(deployed: Deployment, tmp_path: Path) -> None:
    """At each stage. Nobody is left to report it: the automation does, and the next one runs."""
    killed = []
    for month in deployed.lab.state.glob("checkpoints/*.parquet"):
        month.unlink()  # the tests above have cleaned them
    with console(deployed.lab) as opened:
        before = opened.champion()
        deployed.limit(None)  # they need not wait for each other's automation, but for the last
        for stage in STAGES:
            if stage == STAGES[-1]:
                deployed.limit(1)
            paused = Paused(tmp_path, stage)
            with deployed.worker() as worker:
                killed.append(deployed.run(16, paused))
                trainer = deployed.reached(killed[-1], paused)
                with fault():
                    worker.kill()
                    worker.wait()
                    assert deployed.server.state(killed[-1]) == "RUNNING"
                    os.kill(trainer, signal.SIGKILL)
                    assert opened.champion() == before
        last = deployed.run(16)
        with deployed.worker():
            assert [deployed.server.end(run) for run in killed] == ["CRASHED"] * len(STAGES)
            assert deployed.server.end(last) == "COMPLETED"
    assert "fit" in deployed.cached(last)


def test_a_search_is_killed(deployed: Deployment) -> None:
    """The trials that were done are not tried again."""
    lab, log = deployed.lab, deployed.lab.folder / "tune.log"
    command = lab.command("tune", "--trials", str(TRIALS))
    with fault():
        with lab.process(*command, log=log) as search:
            wait_until(lambda: tried(log), "a trial")
            os.killpg(search.pid, signal.SIGKILL)
        with lab.process(*command, log=log) as search:
            assert search.wait(300) == 0, log.read_text()
        [done] = re.findall(rf"(\d+) of {TRIALS} trials are done", log.read_text())
        assert 0 < int(done) < TRIALS
        assert tried(log) == TRIALS - int(done)


def tried(log: Path) -> int:
    return log.read_text().count(f" of {TRIALS}: RMSE ")


def test_no_secret_is_kept_anywhere(deployed: Deployment) -> None:
    """Not in logs, results, MLflow's store, Prefect's database, prefect.yaml or git.

    The flow runs of the tests above, which crashed, had the secrets as well.
    """
    with deployed.worker():
        run = deployed.run(32)
        assert deployed.server.end(run) == "COMPLETED", deployed.server.logs(run)
    project, folder = deployed.lab.project, deployed.lab.folder
    servers = list(folder.parent.glob("server[0-9]"))
    for place in (folder, project.path, project.home, *servers):
        for secret in SECRETS.values():
            assert not files_with(place, secret.partition(":")[2])
    assert files_with(folder, "max_rounds"), "the search finds what is there"
    assert any(files_with(place, run) for place in servers), "and what is in Prefect's database"
