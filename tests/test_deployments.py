"""Deployments at work: a real server, a real worker, and what the flow runs leave behind."""

import json
import os
import platform
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from .conftest import BakedProject, lent_environment
from .lab import PrefectServer, prefect_server, process, processes_with, sink, wait_until

pytestmark = pytest.mark.slow

SMALL = {"params": {"max_rounds": 5}}
AD_HOC, MONTHLY = (f"taxi-duration-train/{name}" for name in ("ad-hoc", "monthly"))
BY_HAND = "taxi-duration-promote/by-hand"
REPORT = "taxi-duration-training"
STORE = """
import json, sys
from mlflow import MlflowClient
client = MlflowClient(f"sqlite:///{sys.argv[1]}/mlflow.db")
versions = client.search_model_versions("name = 'taxi-duration'")
champion = client.get_model_version_by_alias("taxi-duration", "champion")
runs = {v.version: client.get_run(v.run_id).data.tags["prefect.flow_run_id"] for v in versions}
print(json.dumps({"champion": str(champion.version), "flow_runs": runs}))
"""
BLOCK = """
import sys
from prefect.blocks.notifications import CustomWebhookNotificationBlock as Webhook
Webhook(name="sink", url=sys.argv[1], json_data={"text": "{{body}}"}).save("sink")
"""
SHORTEN = """
from datetime import timedelta
from prefect.automations import Automation
rescue = Automation.read(name="taxi-duration: mark dead flow runs as crashed")
rescue.trigger.within = timedelta(seconds=60)
rescue.update()
"""


@dataclass
class Deployed:
    """A project, the server that its deployments are on, and the folder of its MLflow store."""

    project: BakedProject
    server: PrefectServer
    state: Path
    env: dict[str, Any]

    def run(self, *command: str) -> str:
        return self.project.run("uv", "run", *command, **self.env).stdout

    def deploy(self) -> None:
        assert AD_HOC in self.run("poe", "deploy")

    def work(self) -> str:
        """Run what is due, and return what the worker says."""
        return self.run("poe", "worker", "--run-once")

    @contextmanager
    def worker(self, **env: str) -> Iterator[None]:
        """Run a worker that goes on."""
        env = self.project.environment(**self.env, **env)
        log = self.project.home / "worker.log"
        with process("uv", "run", "poe", "worker", cwd=self.project.path, env=env, log=log):
            yield

    def fail(self) -> str:
        """Run a training that fails, and return its id."""
        failed = self.server.start(AD_HOC, test_path="/nowhere/trips_2024-03.parquet")
        self.work()
        assert self.server.state(failed) == "FAILED"
        return failed

    def promote(self) -> str:
        """Make another version the champion by the deployment for it, and return its id."""
        store = self.store()
        [version, *_] = store["flow_runs"].keys() - {store["champion"]}
        reason = "it was better on Sundays"
        done = self.server.start(BY_HAND, version=int(version), reason=reason)
        self.work()
        assert self.server.state(done) == "COMPLETED"
        return done

    def die(self) -> str:
        """Kill a training and its worker, wait for the rescue, and return the training's id."""
        dead, mark = self.server.start(AD_HOC), str(uuid4())
        with self.worker(MARK=mark, PREFECT_FLOWS_HEARTBEAT_FREQUENCY="30"):
            wait_until(lambda: self.server.state(dead) == "RUNNING", "a training")
            for process_id in processes_with(mark):
                os.kill(process_id, signal.SIGKILL)
        wait_until(lambda: self.server.state(dead) == "CRASHED", "a rescue")
        return dead

    def store(self) -> Any:
        """Return the champion's version, and the flow run that made each version."""
        return json.loads(self.run("python", "-c", STORE, str(self.state)))

    def span(self, flow_run: str) -> tuple[str, str]:
        """Return when a flow run's first task started and its last one ended."""
        tasks = self.server.post("task_runs/filter", flow_runs={"id": {"any_": [flow_run]}})
        return min(task["start_time"] for task in tasks), max(task["end_time"] for task in tasks)


@contextmanager
def deployed(
    project: BakedProject, runner: BakedProject, folder: Path, state: Path, **env: str
) -> Iterator[Deployed]:
    """Deploy a project to a server of its own, which another project's environment runs."""
    project.run("uv", "sync", "--quiet")
    with prefect_server(runner, folder) as server:
        env |= {"PREFECT_API_URL": server.url, "PREFECT_WORKER_QUERY_SECONDS": "1"}
        made = Deployed(project, server, state, env)
        made.deploy()
        yield made


@pytest.fixture(scope="module")
def local(
    bake: Callable[..., BakedProject],
    project: BakedProject,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployed]:
    baked = bake(storage="local")
    folder = tmp_path_factory.mktemp("local")
    with (
        lent_environment(project) as baked.venv,
        deployed(baked, project, folder, baked.path) as made,
    ):
        yield made


def test_a_local_run_completes_also_after_a_move(local: Deployed) -> None:
    parameters = json.dumps(SMALL)
    started = local.run("prefect", "deployment", "run", AD_HOC, "--params", parameters)
    first = started.partition("UUID: ")[2].split()[0]
    others = "has other workers ("
    assert others not in local.work()
    local.server.check_completed(first)
    report = local.server.artifact(first, REPORT)
    assert "version 1 promoted to champion" in report["data"]
    assert local.store() == {"champion": "1", "flow_runs": {"1": first}}

    before = ".".join((platform.node(), *local.project.path.parts[1:]))
    elsewhere = local.project.path.with_name("elsewhere")
    local.project.path.rename(elsewhere)
    local.project = BakedProject(elsewhere, local.project.home, local.project.venv)
    local.state = elsewhere
    data = elsewhere / "src/taxi_duration/data.py"
    data.write_text(
        f"{data.read_text()}\n\nimport logging\nlogging.getLogger(__name__).info('Hi')\n"
    )
    second = local.server.start(AD_HOC, **SMALL)
    # The server still hopes for the worker of the folder that was.
    assert f"{others}{before})" in local.work()
    local.server.check_completed(second)
    assert local.store() == {"champion": "1", "flow_runs": {"1": first, "2": second}}
    assert "Hi" in local.server.logs(second).splitlines()


def test_trainings_at_once_take_turns(local: Deployed) -> None:
    names = [AD_HOC, AD_HOC, MONTHLY]
    flow_runs = [local.server.start(name, **SMALL) for name in names]
    with local.worker():
        local.server.wait_for(*flow_runs)
    first, second, third = sorted(local.span(flow_run) for flow_run in flow_runs)
    assert first[1] < second[0]
    assert second[1] < third[0]
    assert {*flow_runs} <= {*local.store()["flow_runs"].values()}


def test_failed_and_dead_flow_runs_are_reported(local: Deployed) -> None:
    with sink() as (url, sent):
        local.run("python", "-c", BLOCK, url)
        notify = ("poe", "automations", "--notify", "custom-webhook/sink", "--about", "failure")
        for _ in range(3):
            local.run(*notify)
        names = [automation["name"] for automation in local.server.post("automations/filter")]
        assert sorted(names) == [
            "taxi-duration: mark dead flow runs as crashed",
            "taxi-duration: report failure",
            "taxi-duration: retrain on drift",
        ]

        failed = until_reported(sent, "Failed", local.fail)
        local.run("python", "-c", SHORTEN)
        dead = until_reported(sent, "Crashed", local.die)
        assert all(any(run in message for run in failed + dead) for message in sent)

        local.run(*notify, "--about", "promotion")
        promoted = until_reported(sent, "it was better on Sundays", local.promote)
        assert all(any(run in message for run in failed + dead + promoted) for message in sent)


def until_reported(sent: list[str], state: str, start: Callable[[], str]) -> list[str]:
    """Start flow runs that end in a state until one is reported, and return their ids.

    A server on SQLite may lose an event when it is busy: docs/reliability.md does not promise it.
    """
    runs: list[str] = []

    def is_reported() -> bool:
        return any(state in message and run in message for message in sent for run in runs)

    while not is_reported():
        assert len(runs) < 3, sent
        runs.append(start())
        with suppress(AssertionError):
            wait_until(is_reported, "a notification", 30)
    return runs


def test_a_schedule_fires(local: Deployed) -> None:
    file = local.project.path / "prefect.yaml"
    file.write_text(file.read_text().replace('cron: "0 9 3 * *"', 'cron: "* * * * *"'))
    local.deploy()
    wanted = {
        "deployments": {"name": {"any_": ["monthly"]}},
        "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}},
    }

    def fired() -> bool:
        found = local.server.post("flow_runs/filter", **wanted)
        return any(run["auto_scheduled"] for run in found)

    assert not fired()
    with local.worker():
        wait_until(fired, "a scheduled flow run")


@pytest.fixture(scope="module")
def git(
    bake: Callable[..., BakedProject],
    project: BakedProject,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("git")
    remote = f"file://{folder}/remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", folder / "remote.git"], check=True)
    baked = bake(storage="git", git_repository=remote, git_branch="trunk")
    baked.run("git", "remote", "add", "origin", remote)
    cache = baked.run("uv", "cache", "dir").stdout.strip()
    env = {"HOME": str(folder / "home"), "UV_CACHE_DIR": cache}
    state = folder / "home/.local/share/taxi-duration"
    with lent_environment(project) as baked.venv:
        baked.run("uv", "sync", "--quiet")
        push(baked)
        with deployed(baked, project, folder, state, **env) as made:
            yield made


def commit(project: BakedProject) -> None:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    project.run("git", "add", "--all")
    project.run("git", *identity, "commit", "--quiet", "--allow-empty", "--message", "Work")


def push(project: BakedProject) -> None:
    commit(project)
    project.run("git", "push", "--quiet", "origin", "HEAD:trunk")


def test_a_git_run_comes_from_the_clone(git: Deployed) -> None:
    first = git.server.start(AD_HOC, **SMALL)
    git.work()
    git.server.check_completed(first)
    assert git.store() == {"champion": "1", "flow_runs": {"1": first}}
    assert git.server.artifact(first, REPORT)

    training = git.project.path / "src/taxi_duration/flows/training.py"
    # A commit that is not pushed is none that counts.
    pushed = git.project.run("git", "rev-parse", "HEAD").stdout[:7]
    commit(git.project)
    assert f"remote.git: is at {pushed}, and flow runs take that" in git.run("poe", "deploy")

    committed, key = training.read_text(), 'REPORT_KEY = f"{PROJECT}-training"\n'
    assert key in committed
    training.write_text(committed.replace(key, 'REPORT_KEY = "pushed-report"\n'))
    push(git.project)
    training.write_text(committed.replace(key, 'REPORT_KEY = "uncommitted-report"\n'))
    for month in (git.project.path / "data").glob("*.parquet"):
        month.unlink()
    second = git.server.start(AD_HOC, **SMALL)
    git.work()
    git.server.check_completed(second)
    assert git.store() == {"champion": "1", "flow_runs": {"1": first, "2": second}}
    assert git.server.artifact(second, "pushed-report")
    assert not (git.project.path / "mlflow.db").exists()

    git.project.run("git", "push", "--quiet", "origin", "--delete", "trunk")
    refused = git.project.run("uv", "run", "poe", "deploy", check=False, **git.env)
    assert refused.returncode
    [error] = [line for line in refused.stderr.splitlines() if line.startswith("error")]
    assert error.endswith("remote.git: is not there; push it, then deploy")
