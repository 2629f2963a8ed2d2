"""Where faults are caused: a project at work on small months, and what is counted of it."""

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

from .conftest import BakedProject
from .services import answers, process, stop, wait_until

COUNTS = {"faults caused": 0, "faults survived": 0, "bad inputs tried": 0}
"""For the summary at the end."""

DRIVERS = Path(__file__).parent / "faults"
MONTHS = ("2024-01", "2024-02", "2024-03")
MAKE = """
import sys
from pathlib import Path
import pyarrow.parquet as pq
from tests.make_months import make_month
folder, seed, *months = sys.argv[1:]
for month in months:
    table = make_month(month, 2_000, seed=int(seed))
    pq.write_table(table, Path(folder, f"trips_{month}.parquet"))
"""
WORLD = 2024
"""The seed of the sample months."""


@contextmanager
def fault() -> Iterator[None]:
    """Count a fault that is caused here, and survived if nothing is raised."""
    COUNTS["faults caused"] += 1
    yield
    COUNTS["faults survived"] += 1


@dataclass
class Lab:
    """A project that is only read: its state, its months and its settings lie in `folder`."""

    project: BakedProject
    folder: Path
    api: str
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def python(self) -> str:
        return str(next(self.project.path.glob(".venv/*/python")))

    @property
    def months(self) -> Path:
        return self.folder / "months"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def make_months(self, *months: str) -> None:
        self.months.mkdir(exist_ok=True)
        command = (self.python, "-c", MAKE, str(self.months), str(WORLD), *months)
        self.project.run(*command, PYTHONPATH=str(self.project.path))

    def settings(self, **changes: str) -> dict[str, str]:
        """Environment variables of the project's Settings, such as state_dir="..."."""
        prefix = self.project.package.upper()
        chosen = {"data_location": str(self.months), "state_dir": str(self.state)} | changes
        return {f"{prefix}_{name.upper()}": value for name, value in chosen.items()}

    def environment(self, **env: str) -> dict[str, str]:
        """The lab's servers and folders; MLflow's client does not wait between its own retries."""
        servers = {
            "PREFECT_API_URL": self.api,
            "MLFLOW_TRACKING_URI": "",
            "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
        }
        return self.project.environment(**servers, **self.settings(), **self.secrets) | env

    def half_files(self) -> list[str]:
        """What was being written in the state folder, and is not whole."""
        return [path.name for path in self.state.rglob("*.part")]

    def checkpoints(self) -> list[str]:
        """What the next training reads, the copies of remote months among it."""
        files = (self.state / "checkpoints").rglob("*.*")
        return sorted(path.name for path in files if path.is_file() and path.suffix != ".lock")


class Console:
    """The project's command line in a process that stays, as faults/console.py runs it."""

    def __init__(self, lab: Lab, process: "Popen[str]", log: Path) -> None:
        self.lab, self.process, self.log = lab, process, log

    def ask(self, *argv: str, **env: str) -> Any:
        """What the program answers, and what it logged meanwhile as "log"."""
        before = self.log.stat().st_size
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"argv": argv, "env": env}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        log = self.log.read_bytes()[before:].decode()
        assert answer, self.log.read_text()
        return json.loads(answer) | {"log": log}

    def train(self, *options: str, rounds: int = 5, mlflow: str = "", **changes: str) -> Any:
        """Train with few rounds, and with changed Settings."""
        argv = ("train", "--params.max-rounds", str(rounds), *options)
        return self.ask(*argv, MLFLOW_TRACKING_URI=mlflow, **self.lab.settings(**changes))

    def champion(self, mlflow: str = "", **changes: str) -> Any:
        """The champion's version and test RMSE, after it has predicted."""
        env = self.lab.settings(**changes)
        return self.ask("champion", MLFLOW_TRACKING_URI=mlflow, **env)["champion"]


@contextmanager
def console(lab: Lab, **env: str) -> Iterator[Console]:
    log = lab.folder / f"console-{time.monotonic_ns()}.log"
    with log.open("wb") as errors:
        process = Popen(
            [lab.python, str(DRIVERS / "console.py")],
            cwd=lab.project.path,
            env=lab.environment(**env),
            stdin=PIPE,
            stdout=PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    try:
        yield Console(lab, process, log)
    finally:
        stop(process)


@dataclass
class Paused:
    """A process that will stop at a stage, as faults/paused.py does."""

    folder: Path
    stage: str

    @property
    def marker(self) -> Path:
        return self.folder / self.stage

    def command(self, lab: Lab, *argv: str) -> list[str]:
        return [lab.python, str(DRIVERS / "paused.py"), str(self.folder), self.stage, *argv]

    def reached(self) -> int:
        """The id of the process, once it has reached the stage."""
        wait_until(self.marker.exists, f"the stage {self.stage}")
        return int(self.marker.read_text())

    def go_on(self) -> None:
        self.marker.unlink()


@contextmanager
def mlflow_server(lab: Lab, port: int, database: str = "", *packages: str) -> Iterator[str]:
    """An MLflow server on the lab's own store, or on a database whose driver is in packages."""
    lab.state.mkdir(exist_ok=True)
    command = [
        *("uv", "run", *(f"--with={name}" for name in packages), "mlflow", "server"),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", database or f"sqlite:///{lab.state}/mlflow.db"),
        *("--artifacts-destination", str(lab.state / "mlartifacts")),
    ]
    env = lab.environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    log = lab.folder / "mlflow.log"
    with process(*command, cwd=lab.project.path, env=env, log=log) as started:
        url = f"http://127.0.0.1:{port}"

        def healthy() -> bool:
            assert started.poll() is None, log.read_text()
            return answers(f"{url}/health")

        wait_until(healthy, "an MLflow server")
        yield url


class Faulty(SimpleHTTPRequestHandler):
    """Serves months; what the first part of a path says goes wrong: 500, hang, reset, cut."""

    asked: list[str]
    good_after: int

    def do_GET(self) -> None:
        fault = self.path.split("/")[1]
        self.path = self.path.removeprefix(f"/{fault}")
        if self.path.endswith(".parquet"):
            self.asked.append(self.path)
            if len(self.asked) > self.good_after:
                fault = "good"
        elif fault != "500-list":
            fault = "good"
        getattr(self, f"answer_{fault.partition('-')[0]}")()

    def answer_good(self) -> None:
        super().do_GET()

    def answer_500(self) -> None:
        self.send_error(500)

    def answer_hang(self) -> None:
        time.sleep(10)

    def answer_reset(self) -> None:
        # Closed with a reset, not with an end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def answer_cut(self) -> None:
        content = Path(self.translate_path(self.path)).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def faulty_server(months: Path, good_after: int = 1000) -> Iterator[tuple[str, list[str]]]:
    """The address of a server with faults, and the months it was asked for."""
    asked: list[str] = []
    kind = type("Handler", (Faulty,), {"asked": asked, "good_after": good_after})
    handler: Any = partial(kind, directory=str(months))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        http.daemon_threads = True
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}", asked
        http.shutdown()
