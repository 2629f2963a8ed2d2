"""A project at work in a worker, with flow runs that stop where a test wants it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from subprocess import Popen
from typing import Any

from .lab import MONTHS, Lab, Paused, console
from .services import PrefectServer, process, wait_until


@dataclass
class Deployment:
    """A project deployed to a server, with a champion that the next training beats."""

    lab: Lab
    server: PrefectServer

    def run(self, rounds: int, paused: Paused | None = None, **env: str) -> str:
        """Start a flow run that stops at a stage, and return its id.

        The champion learnt little, in 2 rounds: with twice as many each is better than the last.
        """
        variables: dict[str, Any] = {"env": env} if env else {}
        if paused:
            variables["command"] = " ".join(paused.command(self.lab))
        return self.server.start("train/ad-hoc", variables, params={"max_rounds": rounds})

    def limit(self, at_once: int | None) -> None:
        """How many flow runs may be at work at once."""
        found = self.server.get("deployments/name/train/ad-hoc")
        self.server.send("PATCH", f"deployments/{found['id']}", {"concurrency_limit": at_once})

    @contextmanager
    def worker(self) -> Iterator["Popen[bytes]"]:
        log = self.lab.folder / "worker.log"
        quick = {"PREFECT_WORKER_QUERY_SECONDS": "1", "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
        env = self.lab.environment(**quick)
        command = (self.lab.python, "-m", self.lab.project.package, "worker")
        with process(*command, cwd=self.lab.project.path, env=env, log=log) as started:
            yield started

    def reached(self, run: str, paused: Paused) -> int:
        """The id of the flow run's process, once it has reached the stage."""
        try:
            return paused.reached()
        except AssertionError as error:
            state = self.server.get(f"flow_runs/{run}")["state"]
            worker = (self.lab.folder / "worker.log").read_text()
            raise AssertionError(f"{state}\n{self.server.logs(run)}\n{worker}") from error

    def end(self, run: str) -> str:
        """The state that a flow run ends in."""
        wait_until(lambda: self.server.has_ended(run), "the end of a flow run", 300)
        return self.server.state(run)

    def cached(self, run: str) -> list[str]:
        """The task runs that took their result from a checkpoint."""
        wanted = {
            "flow_runs": {"id": {"any_": [run]}},
            "task_runs": {"state": {"name": {"any_": ["Cached"]}}},
        }
        names = [found["name"] for found in self.server.post("task_runs/filter", **wanted)]
        return sorted("fit" if name.startswith("fit-") else name for name in names)


HURRY = """
import importlib, sys
from datetime import timedelta
module = importlib.import_module(f"{sys.argv[1]}.automations")
module.SILENCE = timedelta(seconds=75)
module.automations()
"""
"""The automations, with less patience; the worker's flow runs have quicker heartbeats."""


def deploy(lab: Lab, server: PrefectServer) -> Deployment:
    """Deploy a project whose champion learnt little, from older months than those it has now."""
    older = ("2023-11", "2023-12")
    lab.make_months(*older)
    with console(lab) as opened:
        assert opened.train(rounds=2)["error"] is None
    for path in lab.months.iterdir():
        path.unlink()
    lab.make_months(*MONTHS)
    env = lab.environment()
    lab.project.run("uv", "run", "poe", "deploy", **env)
    lab.project.run(lab.python, "-c", HURRY, lab.project.package, **env)
    return Deployment(lab, server)
