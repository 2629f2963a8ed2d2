"""Real servers and workers for the tests, each in a process group of its own."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

from .conftest import BakedProject

ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
STARTS = 300
"""Seconds that anything may take on a busy machine."""


def free_port() -> int:
    """A port of the loopback interface that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def answers(url: str) -> bool:
    """Whether a GET gets a 2xx."""
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
    *command: str, cwd: Path, env: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own, whose output goes to a file; its group ends with it."""
    with log.open("wb") as output:
        started = subprocess.Popen(
            command, cwd=cwd, env=env, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield started
    finally:
        stop(started)


def stop(started: subprocess.Popen[bytes]) -> None:
    """End a process and its group: asked first, then made to.

    Asked patiently: who is made to end cannot end what it has started.
    """
    for kind, seconds in ((signal.SIGTERM, 60), (signal.SIGKILL, 15)):
        with suppress(ProcessLookupError):
            os.killpg(started.pid, kind)
        with suppress(subprocess.TimeoutExpired):
            started.wait(seconds)


def processes_with(mark: str) -> dict[int, str]:
    """Ids and command lines of the processes with a text in their environment (Linux)."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            environment = (folder / "environ").read_bytes()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if mark.encode() in environment and command:
                found[int(folder.name)] = command
    return found


def files_with(folder: Path, text: str) -> list[str]:
    """The files under a folder that hold a text, environments apart."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".venv" not in path.parts)
    return [str(path) for path in files if text.encode() in path.read_bytes()]


@contextmanager
def sink() -> Iterator[tuple[str, list[str]]]:
    """An HTTP server's address, and the bodies of what is posted there."""
    bodies: list[str] = []

    class Keeper(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Keeper) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", bodies
        server.shutdown()


@dataclass
class PrefectServer:
    """A Prefect server, by the address of its API."""

    url: str

    def post(self, path: str, **body: Any) -> Any:
        """POST JSON to the API, and return what it answers."""
        return self.send("POST", path, body)

    def send(self, method: str, path: str, body: dict[str, Any]) -> Any:
        """Send JSON to the API, and return what it answers."""
        request = urllib.request.Request(
            f"{self.url}/{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
            method=method,
        )
        return self._ask(request)

    def get(self, path: str) -> Any:
        return self._ask(f"{self.url}/{path}")

    def _ask(self, request: urllib.request.Request | str) -> Any:
        """The answer, also of a server whose SQLite file is busy: it answers 503, or too late.

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

    def has_ended(self, flow_run: str) -> bool:
        return self.state(flow_run) in ENDED

    def wait_for(self, *flow_runs: str) -> None:
        """Wait until flow runs end; AssertionError with its logs if one did not complete."""
        for flow_run in flow_runs:
            wait_until(partial(self.has_ended, flow_run), f"flow run {flow_run}")
            self.check_completed(flow_run)

    def check_completed(self, flow_run: str) -> None:
        assert self.state(flow_run) == "COMPLETED", self.logs(flow_run)

    def logs(self, flow_run: str) -> str:
        wanted = {"flow_run_id": {"any_": [flow_run]}}
        found = self.post("logs/filter", logs=wanted, sort="TIMESTAMP_ASC")
        return "\n".join(log["message"] for log in found)

    def artifact(self, flow_run: str, key: str) -> Any:
        """The one artifact of a flow run with this key."""
        wanted = {"flow_run_id": {"any_": [flow_run]}, "key": {"any_": [key]}}
        [found] = self.post("artifacts/filter", artifacts=wanted)
        return found


@contextmanager
def prefect_server(
    project: BakedProject, folder: Path, port: int = 0, **env: str
) -> Iterator[PrefectServer]:
    """A server that runs in a project's environment, with its database in `folder`."""
    port = port or free_port()
    server = PrefectServer(f"http://127.0.0.1:{port}/api")
    command = ["uv", "run", "prefect", "server", "start", "--host", "127.0.0.1"]
    env = project.environment(PREFECT_HOME=str(folder / "prefect-home"), **env)
    log = folder / "server.log"
    with process(*command, "--port", str(port), cwd=project.path, env=env, log=log) as started:

        def healthy() -> bool:
            assert started.poll() is None, log.read_text()
            return answers(f"{server.url}/health")

        wait_until(healthy, "a Prefect server")
        yield server
