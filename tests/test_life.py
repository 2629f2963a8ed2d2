"""A model's life: a month drifts, the event starts a retraining, and a person rolls it back."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .conftest import BakedProject, lent_environment
from .lab import MAKE, MONTHS, WORLD, PrefectServer, prefect_server, process, wait_until

pytestmark = pytest.mark.slow

OTHER_WORLD = 7
BLOCK = """
from prefect.blocks.notifications import CustomWebhookNotificationBlock as Webhook
Webhook(name="sink", url="http://127.0.0.1:9", json_data={"text": "{{body}}"}).save("sink")
"""
# The event goes to the server in a thread, which ends with its work done.
ALARM = "from {0}.kit.events import announce; announce('drift', 'It is another month')"


@dataclass
class Life:
    """A project whose months change, with a server to deploy it to."""

    project: BakedProject
    server: PrefectServer

    @property
    def env(self) -> dict[str, str]:
        return {"PREFECT_API_URL": self.server.url, "PREFECT_WORKER_QUERY_SECONDS": "1"}

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.project.run("uv", "run", *command, check=check, **self.env)

    def add_month(self, month: str, seed: int) -> None:
        self.run("python", "-c", MAKE, str(self.project.path / "data"), str(seed), month)

    @contextmanager
    def worker(self) -> Iterator[None]:
        env = self.project.environment(**self.env)
        log = self.project.home / "worker.log"
        with process("uv", "run", "poe", "worker", cwd=self.project.path, env=env, log=log):
            yield

    def monitor(self) -> None:
        """Run the deployment of `monitor` to its end."""
        self.server.wait_for(self.server.start(f"{self.project.slug}-monitor/daily"))

    def flow_runs(self, **wanted: Any) -> list[Any]:
        return list(self.server.post("flow_runs/filter", sort="START_TIME_ASC", **wanted))

    def retrainings(self) -> list[Any]:
        return self.flow_runs(
            deployments={"name": {"any_": ["on-drift"]}, "tags": {"all_": [self.project.slug]}}
        )

    def drift(self) -> None:
        """Emit what a flow run of `monitor` emits, and wait for the retraining that follows."""
        known = len(self.retrainings())
        self.run("python", "-c", ALARM.format(self.project.package))
        wait_until(lambda: len(self.retrainings()) > known, "a retraining")

    def deployments(self) -> dict[str, Any]:
        """Return all that the server keeps of the project's deployments, by id."""
        wanted = {"tags": {"all_": [self.project.slug]}}
        found = self.server.post("deployments/filter", deployments=wanted)
        return {deployment["id"]: deployment for deployment in found}

    def automations(self) -> list[str]:
        """Return the names of the server's automations."""
        return sorted(found["name"] for found in self.server.post("automations/filter"))

    def alarms(self) -> list[Any]:
        """Return the drift events that the server has."""
        wanted = {"event": {"name": [f"{self.project.slug}.drift"]}}
        return list(self.server.post("events/filter", filter=wanted)["events"])


@pytest.fixture(scope="module")
def life(
    bake: Callable[..., BakedProject],
    project: BakedProject,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Life]:
    """A project with a champion, on a server of its own; the tests take turns in this order."""
    baked = bake()
    for month in (baked.path / "data").iterdir():
        month.unlink()
    with (
        lent_environment(project) as baked.venv,
        prefect_server(project, tmp_path_factory.mktemp("life")) as server,
    ):
        life = Life(baked, server)
        for month in MONTHS:
            life.add_month(month, WORLD)
        life.run("poe", "train", "--params.max-rounds", "20")
        yield life


def test_drift_starts_a_retraining_and_a_person_rolls_it_back(life: Life) -> None:
    for _ in range(2):
        life.run("poe", "deploy")
        assert life.automations() == [f"{life.project.slug}: retrain on drift"]
    with life.worker():
        life.add_month("2024-04", WORLD)
        life.monitor()
        assert not life.alarms()

        life.add_month("2024-05", OTHER_WORLD)
        life.monitor()
        wait_until(life.retrainings, "a retraining")
        [retraining] = life.retrainings()
        life.server.wait_for(retraining["id"])
        steps = life.flow_runs(flow_runs={"parent_flow_run_id": {"any_": [retraining["id"]]}})
        assert [step["state"]["type"] for step in steps] == ["COMPLETED"] * 3
        assert (life.project.path / "predictions" / "trips_2024-05.parquet").exists()
        # It looked at the same month, and did not start the next one by that.
        assert len(life.alarms()) == 1
        assert len(life.retrainings()) == 1

    told = life.run("poe", "promote", "--version", "2", "--reason", "try it").stdout
    assert "is version 2" in told
    told = life.run("poe", "promote", "--version", "1", "--reason", "it was better").stdout
    assert "is version 1 (it was version 2)" in told
    refused = life.run("poe", "promote", "--version", "9", check=False)
    told = "is not there; `uv run poe status` shows which are"
    error = f"error: version 9 of {life.project.slug}: {told}"
    assert refused.stderr.splitlines()[-1] == error


def test_automations_rescue_and_notify(life: Life) -> None:
    """What they do to flow runs: test_deployments.py and test_kills.py."""
    rescue = f"{life.project.slug}: mark dead flow runs as crashed"
    reports = [
        f"{life.project.slug}: report {subject}"
        for subject in ("failure", "drift", "promotion", "refusal", "success")
    ]
    others = [name for name in life.automations() if name != rescue]
    assert life.run("poe", "automations").stdout.splitlines() == [f"{rescue}: made"]

    notify = ("poe", "automations", "--notify", "custom-webhook/sink")
    refused = life.run(*notify, check=False)
    error = "error: custom-webhook/sink: no such block; make one on the Blocks page of Prefect's UI"
    assert refused.stderr.splitlines()[-1].startswith(error)
    assert life.automations() == sorted([rescue, *others])

    life.run("python", "-c", BLOCK)
    for said in ("made", "there already"):
        first, *rest = life.run(*notify).stdout.splitlines()
        assert first == f"{rescue}: there already"
        assert rest == [*(f"{report}: {said}" for report in reports[:-1]), f"{reports[-1]}: off"]
        assert life.automations() == sorted([rescue, *reports[:-1], *others])


@pytest.fixture
def other(life: Life, bake: Callable[..., BakedProject]) -> Iterator[Life]:
    """Another project on the same server, which is installed next to the first one."""
    project = bake(project_slug="bike-duration")
    project.venv = life.project.venv
    yield Life(project, life.server)
    project.run("uv", "pip", "uninstall", "--python", str(project.venv), project.slug)


def test_two_projects_share_a_server(life: Life, other: Life) -> None:
    life.run("poe", "deploy")
    life.run("poe", "automations")
    of_life = life.deployments()
    other.run("poe", "deploy")
    other.run("poe", "automations")
    assert life.deployments() == of_life
    assert len(of_life) == len(other.deployments()) == 7
    assert of_life.keys().isdisjoint(other.deployments())
    assert len([name for name in life.automations() if ": report " not in name]) == 4

    ad_hoc = next(found for found in of_life if of_life[found]["name"] == "ad-hoc")
    life.server.post(f"deployments/{ad_hoc}/pause_deployment")
    other.run("poe", "deploy")
    assert {found for found, kept in life.deployments().items() if kept["paused"]} == {ad_hoc}

    for drifted, calm in ((life, other), (other, life)):
        before = len(calm.retrainings())
        drifted.drift()
        assert len(calm.retrainings()) == before


@pytest.mark.skipif("REAL_MONTHS" not in os.environ, reason="REAL_MONTHS names no folder")
def test_real_months_drift_over_two_years_not_over_one_month(
    fresh: BakedProject, project: BakedProject, tmp_path: Path
) -> None:
    fresh.run("uv", "sync", "--quiet")
    with prefect_server(project, tmp_path) as server:
        life = Life(fresh, server)
        folder = Path(os.environ["REAL_MONTHS"])
        then, before, now = (
            str(folder / f"green_tripdata_{month}.parquet")
            for month in ("2021-01", "2021-02", "2023-01")
        )
        months = ("--train-paths", then, "--test-path", before)
        life.run("poe", "train", *months, "--params.max-rounds", "20")
        for month, verdict in ((before, "ok"), (now, "fail")):
            told = life.run("poe", "monitor", "--path", month)
            said = f"compared with what version 1 learnt from: {verdict}"
            assert said in told.stdout + told.stderr
