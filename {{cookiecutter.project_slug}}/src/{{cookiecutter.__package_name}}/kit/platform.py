"""The platform on one machine: servers, deployments and a worker in one terminal."""

import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from urllib.parse import urlsplit
from urllib.request import urlopen

from honcho.manager import Manager
from honcho.printer import Message, Printer

from ..settings import Settings
from .locations import check_port
from .project import PACKAGE, ROOT

# honcho gives a command to the shell, as one line.
as_line = subprocess.list2cmdline if os.name == "nt" else shlex.join
PYTHON = [sys.executable, "-m"]
MLFLOW_SETTING = "MLFLOW_TRACKING_URI"
MLFLOW_URL = "http://127.0.0.1:5000"
LOOPBACK = {"127.0.0.1", "localhost"}
DEFAULT = "DEFAULT_PREFECT_API_URL"  # what counts if neither .env nor a profile names a server
PATIENCE = 180  # seconds that the servers may take to start


@dataclass(frozen=True)
class Server:
    """A server of the platform: used if it runs already, else started here."""

    name: str
    setting: str
    url: str
    healthy: bytes
    program: list[str]

    @property
    def address(self) -> tuple[str, int]:
        """The host and the port. Raises ValueError if the URL has none."""
        with suppress(ValueError):  # of a port that is no number
            parts = urlsplit(self.url)
            if parts.scheme in {"http", "https"} and parts.hostname:
                return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
        raise ValueError(f"{self.setting}: {self.url} is no server; give one as http://host:port")

    def runs(self) -> bool:
        """Return whether it runs; one on another machine is somebody else's to start."""
        if self.address[0] not in LOOPBACK:
            return True
        with suppress(OSError, HTTPException), urlopen(f"{self.url}/health", timeout=5) as answer:
            return bool(answer.read() == self.healthy)
        return False

    def wait(self) -> None:
        """Wait until it runs. Raises ValueError if that takes too long."""
        end = time.monotonic() + PATIENCE
        while not self.runs():
            if time.monotonic() > end:
                raise ValueError(f"{self.name}: not healthy after {PATIENCE} s; see its lines")
            time.sleep(0.2)

    def refuse_other_projects(self) -> None:
        """Raise ValueError if nobody named the server: it may be another project's."""
        if self.setting == MLFLOW_SETTING and not Settings().mlflow_tracking_uri:
            advice = f"set {self.setting} to it to use it, or to another address"
            raise ValueError(f"{self.name}: a server is at {self.url} already; {advice}")

    def command(self) -> str:
        """Return what starts it. Raises ValueError if another program has its port."""
        host, port = self.address
        check_port(host, port, self.name, f"set {self.setting} to another address")
        return as_line([*self.program, "--host", host, "--port", str(port)])


class Announcer(Printer):
    """Prints each part's lines after its name, and the addresses once the worker works."""

    def __init__(self, addresses: str) -> None:
        super().__init__(sys.stdout, colour="NO_COLOR" not in os.environ)
        self.addresses = addresses

    def write(self, message: Message) -> None:
        """Print the lines of a message."""
        super().write(message)
        if message.name == "worker" and b"started!" in message.data:
            told = f"Everything is healthy: {self.addresses}"
            super().write(message._replace(name="up", data=told))


def up() -> None:
    """Run servers, deployments and a worker in this terminal, until Ctrl-C."""
    prefect, mlflow = servers = _servers()
    ui = prefect.url.removesuffix("/api")
    pages = f"deployments: {ui}/deployments, models: {mlflow.url}/#/models"
    manager = Manager(Announcer(f"prefect {ui}, mlflow {mlflow.url} ({pages})"))
    env = os.environ | {server.setting: server.url for server in servers}
    # Without its job runners MLflow takes 0.4 GB instead of 2.
    env |= {"PYTHONUNBUFFERED": "1", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    # Pages of other origins may not call Prefect's API; MLflow refuses them by itself. Without the
    # second they could not read an answer, but start a flow run.
    env["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] = ui
    env["PREFECT_SERVER_CSRF_PROTECTION_ENABLED"] = "true"
    for server in servers:
        if server.runs():
            server.refuse_other_projects()
            print(f"{server.name} runs already: {server.url}")
        else:
            manager.add_process(server.name, server.command(), env=env, cwd=ROOT)
    manager.add_process("worker", as_line([*PYTHON, PACKAGE, "work"]), env=env, cwd=ROOT)
    if hasattr(signal, "SIGHUP"):  # the terminal was closed
        signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    manager.loop()
    sys.exit(manager.returncode)


def work() -> None:
    """Wait for the servers, deploy, and be the worker: the last part of `up`."""
    from .deployment import deploy_changes, worker

    prefect, mlflow = _servers()
    prefect.wait()
    deploy_changes()
    mlflow.wait()
    worker()


def _servers() -> list[Server]:
    settings, prefect_url = Settings(), os.environ.get("PREFECT_API_URL")
    if not prefect_url:  # a profile may name one; to import Prefect takes 2 s
        from .deployment import api_url

        prefect_url = api_url() or os.environ[DEFAULT]
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    store = ["--backend-store-uri", f"sqlite:///{settings.state_dir / 'mlflow.db'}"]
    store += ["--artifacts-destination", str(settings.state_dir / "mlartifacts")]
    prefect = [*PYTHON, "prefect", "server", "start"]
    mlflow = [*PYTHON, "mlflow", "server", "--workers", "1", *store]
    return [
        Server("prefect", "PREFECT_API_URL", prefect_url, b"true", prefect),
        Server("mlflow", MLFLOW_SETTING, settings.mlflow_tracking_uri or MLFLOW_URL, b"OK", mlflow),
    ]
