"""What tests run and break: processes, servers, and projects at work on small months."""

import json
import os
import signal
import socket
import struct
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired
from threading import Thread
from typing import Any
from uuid import uuid4

from .conftest import BakedProject

# Shown after the tests.
COUNTS = {"faults caused": 0, "faults survived": 0, "bad inputs tried": 0}
DRIVERS = Path(__file__).parent / "faults"
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
# Seconds that anything may take on a busy machine.
STARTS = 300
MONTHS = ("2024-01", "2024-02", "2024-03")
# The seed of the sample months.
WORLD = 2024
KIT = Path(__file__).parent / "kit"
MAKE = (
    f"import sys; sys.path.insert(0, {str(KIT)!r})"
    + """
from pathlib import Path
import pyarrow.parquet as pq
from make_months import make_month
folder, seed, *months = sys.argv[1:]
for month in months:
    table = make_month(month, 2_000, seed=int(seed))
    pq.write_table(table, Path(folder, f"trips_{month}.parquet"))
"""
)
# Creates the automations with less patience; the worker's flow runs have quicker heartbeats.
HURRY = """
import importlib, sys
from datetime import timedelta
module = importlib.import_module(f"{sys.argv[1]}.kit.automations")
module.SILENCE = timedelta(seconds=75)
module.automations()
"""


@contextmanager
def fault() -> Iterator[None]:
    """Count a fault that is caused here, and survived if nothing is raised."""
    COUNTS["faults caused"] += 1
    yield
    COUNTS["faults survived"] += 1


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def answers(url: str) -> bool:
    """Return whether a GET gets a 2xx."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def wait_until(condition: Callable[[], Any], what: str, seconds: float = STARTS) -> Any:
    """Return the condition's value as soon as it is true; AssertionError after the seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.3)
    raise AssertionError(f"waited {seconds} s in vain: {what}")


@contextmanager
def process(
    *command: str, cwd: Path, env: dict[str, str], log: Path, pipes: bool = False
) -> Iterator[Popen[bytes]]:
    """Run a command in a process group of its own, and stop the group at the end.

    Its output goes to a file; with pipes, only its stderr does.
    """
    with log.open("wb") as output:
        started = Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=PIPE if pipes else None,
            stdout=PIPE if pipes else output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield started
    finally:
        stop(started)


@contextmanager
def server_process(
    *command: str, is_ready: Callable[[], bool], cwd: Path, env: dict[str, str], log: Path
) -> Iterator[Popen[bytes]]:
    """Run a command that stays, and wait until it is ready; AssertionError if it ends before."""
    with process(*command, cwd=cwd, env=env, log=log) as started:

        def is_ready_or_ended() -> bool:
            assert started.poll() is None, log.read_text()
            return is_ready()

        wait_until(is_ready_or_ended, " ".join(command))
        yield started


def stop(started: Popen[bytes]) -> None:
    """End a process and its group: first ask it to end, then kill it.

    Ask patiently: a process that is killed cannot end what it has started.
    """
    for kind, seconds in ((signal.SIGTERM, 60), (signal.SIGKILL, 15)):
        with suppress(ProcessLookupError):
            os.killpg(started.pid, kind)
        with suppress(TimeoutExpired):
            started.wait(seconds)


def processes_with(mark: str) -> dict[int, str]:
    """Return ids and command lines of the processes with a text in their environment (Linux)."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            environment = (folder / "environ").read_bytes()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if mark.encode() in environment and command:
                found[int(folder.name)] = command
    return found


def files_with(folder: Path, text: str) -> list[str]:
    """Return the files under a folder that hold a text, except those of environments."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".venv" not in path.parts)
    return [str(path) for path in files if text.encode() in path.read_bytes()]


@contextmanager
def serve_http(handler: Any) -> Iterator[str]:
    """Serve HTTP from threads, and yield the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


@contextmanager
def sink() -> Iterator[tuple[str, list[str]]]:
    """Yield an HTTP server's address, and the bodies of what is posted there."""
    bodies: list[str] = []

    class Keeper(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with serve_http(Keeper) as address:
        yield address, bodies


class Faulty(SimpleHTTPRequestHandler):
    """Serves months; the first part of a path says what goes wrong: 500, hang, reset, cut."""

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
    """Yield the address of a server with faults, and the months it was asked for."""
    asked: list[str] = []
    kind = type("Handler", (Faulty,), {"asked": asked, "good_after": good_after})
    with serve_http(partial(kind, directory=str(months))) as address:
        yield address, asked


@dataclass
class PrefectServer:
    """A Prefect server, by the address of its API."""

    url: str

    def get(self, path: str) -> Any:
        return self._ask(f"{self.url}/{path}")

    def post(self, path: str, **body: Any) -> Any:
        return self.send("POST", path, body)

    def send(self, method: str, path: str, body: dict[str, Any]) -> Any:
        """Send JSON to the API, and return what it answers."""
        headers = {"Content-Type": "application/json"} | self._token
        content = json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/{path}", content, headers, method=method)
        return self._ask(request)

    @cached_property
    def _token(self) -> dict[str, str]:
        """What a server of `poe up` wants of those who change something: no page has it."""
        try:
            found = self.get("csrf-token?client=tests")
        except urllib.error.HTTPError:
            return {}
        return {"Prefect-Csrf-Client": "tests", "Prefect-Csrf-Token": found["token"]}

    def _ask(self, request: urllib.request.Request | str) -> Any:
        """Return the answer, also of a server whose SQLite file is busy: it says 503, or is late.

        What is asked here may be asked again: whoever starts a flow run sends a key with it.
        """
        for _ in range(10):
            try:
                with urllib.request.urlopen(request, timeout=60) as response:
                    return json.loads(response.read() or b"null")
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    raise
            except TimeoutError:
                pass
            time.sleep(1)
        raise AssertionError(f"{request}: busy for too long")

    def start(
        self, deployment: str, job_variables: dict[str, Any] | None = None, **parameters: Any
    ) -> str:
        """Start a flow run from a deployment (flow/name), and return the flow run's id."""
        found = self.get(f"deployments/name/{deployment}")
        made = self.post(
            f"deployments/{found['id']}/create_flow_run",
            parameters=parameters,
            job_variables=job_variables or {},
            idempotency_key=str(uuid4()),
        )
        return str(made["id"])

    def state(self, flow_run: str) -> str:
        return str(self.get(f"flow_runs/{flow_run}")["state"]["type"])

    def end(self, flow_run: str) -> str:
        """Wait until a flow run ends, and return the state that it ends in."""
        wait_until(lambda: self.state(flow_run) in ENDED, f"the end of flow run {flow_run}")
        return self.state(flow_run)

    def wait_for(self, *flow_runs: str) -> None:
        """Wait until flow runs end; AssertionError with its logs if one did not complete."""
        for flow_run in flow_runs:
            self.end(flow_run)
            self.check_completed(flow_run)

    def check_completed(self, flow_run: str) -> None:
        assert self.state(flow_run) == "COMPLETED", self.logs(flow_run)

    def logs(self, flow_run: str) -> str:
        wanted = {"flow_run_id": {"any_": [flow_run]}}
        found = self.post("logs/filter", logs=wanted, sort="TIMESTAMP_ASC")
        return "\n".join(log["message"] for log in found)

    def artifact(self, flow_run: str, key: str) -> Any:
        """Return the one artifact of a flow run with this key."""
        wanted = {"flow_run_id": {"any_": [flow_run]}, "key": {"any_": [key]}}
        [found] = self.post("artifacts/filter", artifacts=wanted)
        return found


@contextmanager
def prefect_server(
    project: BakedProject, folder: Path, port: int = 0, **env: str
) -> Iterator[PrefectServer]:
    """Run a server in a project's environment, with its database in `folder`."""
    port = port or free_port()
    server = PrefectServer(f"http://127.0.0.1:{port}/api")
    with server_process(
        *("uv", "run", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)),
        is_ready=lambda: answers(f"{server.url}/health"),
        cwd=project.path,
        env=project.environment(PREFECT_HOME=str(folder / "prefect-home"), **env),
        log=folder / "server.log",
    ):
        yield server


def poe_environment(project: BakedProject) -> dict[str, str]:
    """Return the variables that `uv run poe` gives to each command, unless they are set."""
    poe = tomllib.loads((project.path / "pyproject.toml").read_text())["tool"]["poe"]
    return {name: v["default"] if isinstance(v, dict) else v for name, v in poe["env"].items()}


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
        self.project.run(*command)

    def settings(self, **changes: str) -> dict[str, str]:
        """Return environment variables of the project's Settings, such as state_dir="..."."""
        prefix = self.project.package.upper()
        chosen = {"data_location": str(self.months), "state_dir": str(self.state)} | changes
        return {f"{prefix}_{name.upper()}": value for name, value in chosen.items()}

    def environment(self, **env: str) -> dict[str, str]:
        """Name the lab's servers and folders; MLflow's client does not wait before it retries.

        The rest is what `uv run poe` gives to each command.
        """
        servers = {
            "PREFECT_API_URL": self.api,
            "MLFLOW_TRACKING_URI": "",
            "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
        }
        named = {**servers, **self.settings(), **self.secrets}
        return self.project.environment(**poe_environment(self.project), **named) | env

    def command(self, *argv: str) -> list[str]:
        """Return the project's command line, without uv."""
        return [self.python, "-m", self.project.package, *argv]

    @contextmanager
    def process(
        self, *command: str, log: Path, env: dict[str, str] | None = None, pipes: bool = False
    ) -> Iterator[Popen[bytes]]:
        """Run a command in the project's folder and the lab's environment, as `process` does."""
        env = self.environment(**env or {})
        with process(*command, cwd=self.project.path, env=env, log=log, pipes=pipes) as started:
            yield started

    def half_files(self) -> list[str]:
        """Return what was being written in the state folder, and is not whole."""
        return [path.name for path in self.state.rglob("*.part")]

    def checkpoints(self) -> list[str]:
        """Return what the next training reads, including copies of remote months."""
        files = (self.state / "checkpoints").rglob("*.*")
        return sorted(path.name for path in files if path.is_file() and path.suffix != ".lock")


@contextmanager
def mlflow_server(
    lab: Lab, port: int, database: str = "", *packages: str, options: tuple[str, ...] = ()
) -> Iterator[str]:
    """Run an MLflow server on the lab's own store, or on a database whose driver is in packages."""
    options = options or ("--artifacts-destination", str(lab.state / "mlartifacts"))
    lab.state.mkdir(exist_ok=True)
    url = f"http://127.0.0.1:{port}"
    with server_process(
        *("uv", "run", *(f"--with={name}" for name in packages), "mlflow", "server"),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", database or f"sqlite:///{lab.state}/mlflow.db"),
        *options,
        is_ready=lambda: answers(f"{url}/health"),
        cwd=lab.project.path,
        env=lab.environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"),
        log=lab.folder / "mlflow.log",
    ):
        yield url


@dataclass
class Console:
    """The project's command line in a process that stays, as faults/console.py runs it."""

    lab: Lab
    process: Popen[bytes]
    log: Path

    def ask(self, *argv: str, **env: str) -> Any:
        """Return what the program answers, and what it logged meanwhile as "log"."""
        before = self.log.stat().st_size
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"argv": argv, "env": env}).encode() + b"\n")
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
        """Return the champion's version and test RMSE, after it has predicted."""
        env = self.lab.settings(**changes)
        return self.ask("champion", MLFLOW_TRACKING_URI=mlflow, **env)["champion"]


@contextmanager
def console(lab: Lab, **env: str) -> Iterator[Console]:
    log = lab.folder / f"console-{time.monotonic_ns()}.log"
    command = (lab.python, str(DRIVERS / "console.py"))
    with lab.process(*command, log=log, env=env, pipes=True) as started:
        yield Console(lab, started, log)


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
        """Return the id of the process, once it has reached the stage."""
        wait_until(self.marker.exists, f"the stage {self.stage}")
        return int(self.marker.read_text())

    def go_on(self) -> None:
        self.marker.unlink()


@dataclass
class Deployment:
    """A project deployed to a server, with a champion that the next training beats."""

    lab: Lab
    server: PrefectServer

    @property
    def name(self) -> str:
        """The training's name, as flow/deployment."""
        return f"{self.lab.project.slug}-train/ad-hoc"

    def run(self, rounds: int, paused: Paused | None = None, **env: str) -> str:
        """Start a flow run that stops at a stage, and return its id.

        The champion learnt little, in 2 rounds: with twice as many each is better than the last.
        """
        variables: dict[str, Any] = {"env": env} if env else {}
        if paused:
            variables["command"] = " ".join(paused.command(self.lab))
        return self.server.start(self.name, variables, params={"max_rounds": rounds})

    def limit(self, at_once: int | None) -> None:
        """Set how many flow runs may be at work at once."""
        found = self.server.get(f"deployments/name/{self.name}")
        self.server.send("PATCH", f"deployments/{found['id']}", {"concurrency_limit": at_once})

    @contextmanager
    def worker(self) -> Iterator[Popen[bytes]]:
        log = self.lab.folder / "worker.log"
        quick = {"PREFECT_WORKER_QUERY_SECONDS": "1", "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
        with self.lab.process(*self.lab.command("worker"), log=log, env=quick) as started:
            yield started

    def reached(self, flow_run: str, paused: Paused) -> int:
        """Return the id of the flow run's process, once it has reached the stage."""
        try:
            return paused.reached()
        except AssertionError as error:
            state = self.server.get(f"flow_runs/{flow_run}")["state"]
            worker = (self.lab.folder / "worker.log").read_text()
            raise AssertionError(f"{state}\n{self.server.logs(flow_run)}\n{worker}") from error

    def cached(self, flow_run: str) -> list[str]:
        """Return the task runs that took their result from a checkpoint."""
        wanted = {
            "flow_runs": {"id": {"any_": [flow_run]}},
            "task_runs": {"state": {"name": {"any_": ["Cached"]}}},
        }
        names = [found["name"] for found in self.server.post("task_runs/filter", **wanted)]
        return sorted("fit" if name.startswith("fit-") else name for name in names)


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
