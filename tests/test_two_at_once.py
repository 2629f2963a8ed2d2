"""Two trainings at once, on servers with SQLite and with PostgreSQL."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .conftest import BakedProject
from .lab import MONTHS, Lab, console, fault, mlflow_server
from .services import free_port, prefect_server, process
from .test_postgres import BIN, PASSWORD, postgres

pytestmark = pytest.mark.slow
needs_postgres = pytest.mark.skipif(
    not (BIN / "initdb").exists(), reason="PostgreSQL is not on this machine"
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs_postgres)])
def servers(
    request: pytest.FixtureRequest, project: BakedProject, tmp_path: Path
) -> Iterator[tuple[Lab, str]]:
    """A lab with a Prefect server, and the address of an MLflow server, on one kind of database."""
    with ExitStack() as stack:
        env, database, extra = {}, "", ()
        if request.param == "postgresql":
            port = stack.enter_context(postgres())
            address = f"//taxi:{PASSWORD}@127.0.0.1:{port}"
            for name in ("prefect", "mlflow"):
                create = [str(BIN / "createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "taxi"]
                subprocess.run(
                    [*create, name], check=True, env=os.environ | {"PGPASSWORD": PASSWORD}
                )
            env = {"PREFECT_API_DATABASE_CONNECTION_URL": f"postgresql+asyncpg:{address}/prefect"}
            database, extra = f"postgresql:{address}/mlflow", ("psycopg2-binary",)
        server = stack.enter_context(prefect_server(project, tmp_path, **env))
        lab = Lab(project, tmp_path, server.url)
        lab.make_months(*MONTHS)
        yield lab, stack.enter_context(mlflow_server(lab, free_port(), database, *extra))


def test_two_trainings_at_once(servers: tuple[Lab, str], tmp_path: Path) -> None:
    """On two machines, with no lock between them: each gets a version, and the champion is one."""
    lab, mlflow = servers
    command = (lab.python, "-m", lab.project.package, "train", "--params.max-rounds")
    with fault(), ExitStack() as stack:
        started = []
        for rounds in (4, 5):
            state = lab.settings(state_dir=str(tmp_path / f"state-{rounds}"))
            env = lab.environment(MLFLOW_TRACKING_URI=mlflow, **state)
            log = tmp_path / f"{rounds}.log"
            training = process(*command, str(rounds), cwd=lab.project.path, env=env, log=log)
            started.append((stack.enter_context(training), log))
        for training, log in started:
            assert training.wait(240) == 0, log.read_text()
    logs = [log.read_text() for _, log in started]
    assert sorted(int(log.rpartition("; version ")[2].split()[0]) for log in logs) == [1, 2]
    with console(lab) as opened:
        champion = opened.champion(mlflow=mlflow)
    assert f"RMSE {champion['rmse']:.3f}; version {champion['version']} promoted" in "".join(logs)
