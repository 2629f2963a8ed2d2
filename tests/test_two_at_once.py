"""Two trainings at once, on servers with SQLite and with PostgreSQL."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from .conftest import BakedProject
from .lab import (
    MONTHS,
    Lab,
    PrefectServer,
    console,
    fault,
    free_port,
    mlflow_server,
    prefect_server,
)
from .postgres import BIN, IS_THERE, PASSWORD, postgres

pytestmark = pytest.mark.slow
Servers = tuple[Lab, str]
needs_postgres = pytest.mark.skipif(not IS_THERE, reason="PostgreSQL is not on this machine")


@contextmanager
def on_sqlite(shared: PrefectServer, project: BakedProject, folder: Path) -> Iterator[Servers]:
    lab = Lab(project, folder, shared.url)
    with mlflow_server(lab, free_port()) as mlflow:
        yield lab, mlflow


@contextmanager
def on_postgres(_: PrefectServer, project: BakedProject, folder: Path) -> Iterator[Servers]:
    with ExitStack() as stack:
        port = stack.enter_context(postgres())
        address = f"//taxi:{PASSWORD}@127.0.0.1:{port}"
        for name in ("prefect", "mlflow"):
            create = [str(BIN / "createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "taxi"]
            subprocess.run([*create, name], check=True, env=os.environ | {"PGPASSWORD": PASSWORD})
        env = {"PREFECT_API_DATABASE_CONNECTION_URL": f"postgresql+asyncpg:{address}/prefect"}
        server = stack.enter_context(prefect_server(project, folder, free_port(), **env))
        lab = Lab(project, folder, server.url)
        mlflow = mlflow_server(lab, free_port(), f"postgresql:{address}/mlflow", "psycopg[binary]")
        yield lab, stack.enter_context(mlflow)


@pytest.fixture(params=[on_sqlite, pytest.param(on_postgres, marks=needs_postgres)])
def servers(
    request: pytest.FixtureRequest,
    project: BakedProject,
    shared_server: PrefectServer,
    tmp_path: Path,
) -> Iterator[Servers]:
    """A lab with a Prefect server, and the address of an MLflow server, on one kind of database."""
    with request.param(shared_server, project, tmp_path) as (lab, mlflow):
        lab.make_months(*MONTHS)
        yield lab, mlflow


def test_two_trainings_at_once(servers: Servers, tmp_path: Path) -> None:
    """On two machines, with no lock between them: each gets a version, and the champion is one."""
    lab, mlflow = servers
    command = lab.command("train", "--params.max-rounds")
    with fault(), ExitStack() as stack:
        started = []
        for rounds in (4, 5):
            state = lab.settings(state_dir=str(tmp_path / f"state-{rounds}"))
            log = tmp_path / f"{rounds}.log"
            env = {"MLFLOW_TRACKING_URI": mlflow} | state
            run = lab.process(*command, str(rounds), log=log, env=env)
            started.append((stack.enter_context(run), log))
        for training, log in started:
            assert training.wait(240) == 0, log.read_text()
    logs = [log.read_text() for _, log in started]
    assert sorted(int(log.rpartition("Version ")[2].split()[0]) for log in logs) == [1, 2]
    with console(lab) as opened:
        champion = opened.champion(mlflow=mlflow)
    told = f"Version {champion['version']} promoted: test RMSE {champion['rmse']:.4g} minutes"
    assert told in "".join(logs)
