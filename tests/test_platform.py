"""`poe up`: the platform comes up, works, and goes down without a trace."""

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from .conftest import BakedProject
from .lab import (
    STARTS,
    PrefectServer,
    answers,
    free_port,
    prefect_server,
    processes_with,
    stop,
    wait_until,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("script") and Path("/proc/self/smaps_rollup").exists()),
        reason="needs Linux's /proc and util-linux's script, for a terminal",
    ),
]

# As /proc/net/tcp writes them.
LOOPBACK, LISTENS = "0100007F", "0A"
CTRL_C = b"\x03"
HEALTHY = "Everything is healthy: "
MEMORY_MB = 900
TRAINING = "taxi-duration-train/ad-hoc"


@dataclass
class Platform:
    """`poe up` in a terminal of its own; a mark in the environment tells its processes."""

    mark: str
    terminal: subprocess.Popen[bytes]
    log: Path
    prefect: PrefectServer
    mlflow: str

    def output(self) -> str:
        return self.log.read_text()

    def wait_for(self, text: str) -> None:
        def there() -> bool:
            assert self.terminal.poll() is None, self.output()
            return text in self.output()

        wait_until(there, f"{text!r} from poe up")

    def press(self, keys: bytes) -> None:
        assert self.terminal.stdin
        self.terminal.stdin.write(keys)
        self.terminal.stdin.flush()

    def processes(self) -> dict[int, str]:
        """Return ids and command lines of its processes, in whatever session or group."""
        found = processes_with(self.mark)
        return {process: found[process] for process in found.keys() - {self.terminal.pid}}

    def check_ended(self) -> None:
        self.terminal.wait(timeout=STARTS)
        wait_until(lambda: not self.processes(), "an end of all its processes", seconds=60)

    def memory_mb(self) -> float:
        """Return the memory of its processes; what several share counts once."""
        total = 0
        for process in self.processes():
            rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
            total += int(rollup.partition("\nPss:")[2].split()[0])
        return total / 1024

    def listeners(self) -> set[str]:
        """Return the hosts that its ports listen on."""
        ports = {urlsplit(url).port for url in (self.prefect.url, self.mlflow)}
        rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        local = [row[1].split(":") for row in rows if row[3] == LISTENS]
        return {host for host, port in local if int(port, 16) in ports}


@contextmanager
def up(project: BakedProject, prefect: str, mlflow: str) -> Iterator[Platform]:
    """Start `poe up` with servers at these addresses."""
    mark = f"platform-{uuid4()}"
    urls = {"PREFECT_API_URL": prefect, "MLFLOW_TRACKING_URI": mlflow}
    log = project.home / f"{mark}.log"
    project.home.mkdir(exist_ok=True)
    terminal = subprocess.Popen(
        ["script", "--quiet", "--flush", "--return", "--command", "uv run poe up", str(log)],
        cwd=project.path,
        env=project.environment(MARK=mark, PREFECT_WORKER_QUERY_SECONDS="1", **urls),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    platform = Platform(mark, terminal, log, PrefectServer(prefect), mlflow)
    try:
        wait_until(log.exists, "a terminal")
        yield platform
    finally:
        stop(terminal)
        leftovers = platform.processes()
        for process in leftovers:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def addresses() -> tuple[str, str]:
    return f"http://127.0.0.1:{free_port()}/api", f"http://127.0.0.1:{free_port()}"


def ask(method: str, url: str, **headers: str) -> tuple[int, str | None]:
    """Return the status that a page gets, and the origin that may read the answer.

    A body without a type is one that browsers post without asking the server before.
    """
    address = urlsplit(url)
    connection = HTTPConnection(address.netloc, timeout=60)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    body = b'{"name": "evil"}' if method == "POST" else None
    connection.request(method, address.path, body, headers)
    answer = connection.getresponse()
    connection.close()
    return answer.status, answer.headers["Access-Control-Allow-Origin"]


def check_other_origins(prefect: str, mlflow: str) -> None:
    """Pages of other origins, and of names that lead here, change nothing and read nothing."""
    flows, experiments = f"{prefect}/flows/", f"{mlflow}/api/2.0/mlflow/experiments/create"
    for url in (flows, experiments):
        assert ask("POST", url, Origin="http://evil.example") == (403, None)
        for kind in ("text/plain", "application/json"):
            assert ask("POST", url, Origin="http://evil.example", Content_Type=kind) == (403, None)
    own = prefect.removesuffix("/api")
    assert ask("GET", f"{prefect}/admin/version", Origin="http://evil.example") == (200, None)
    assert ask("GET", f"{prefect}/admin/version", Origin=own) == (200, own)
    assert ask("POST", experiments, Host="evil.example", Content_Type="application/json")[0] == 403


def test_up_works_and_ctrl_c_leaves_nothing(fresh: BakedProject) -> None:
    prefect, mlflow = addresses()
    with up(fresh, prefect, mlflow) as platform:
        platform.wait_for(HEALTHY)
        output = platform.output()
        assert f"{HEALTHY}prefect {prefect.removesuffix('/api')}, mlflow {mlflow}" in output
        assert platform.listeners() == {LOOPBACK}
        assert platform.memory_mb() < MEMORY_MB
        check_other_origins(prefect, mlflow)
        parts = {*re.findall(r"^[\d:]{8} (\w+) +\|", output, re.MULTILINE)}
        assert parts == {"system", "prefect", "mlflow", "worker", "up"}

        first = platform.prefect.start(TRAINING, params={"max_rounds": 5})
        platform.prefect.wait_for(first)
        assert mlflow in platform.prefect.artifact(first, "taxi-duration-mlflow-run")["data"]

        second = platform.prefect.start(TRAINING)
        wait_until(lambda: platform.prefect.state(second) == "RUNNING", "a second training")
        platform.press(CTRL_C)
        platform.check_ended()


def test_up_uses_what_runs_and_a_parts_death_ends_the_rest(
    fresh: BakedProject, project: BakedProject, tmp_path: Path
) -> None:
    with prefect_server(project, tmp_path) as server:
        _, mlflow = addresses()
        with up(fresh, server.url, mlflow) as platform:
            platform.wait_for(HEALTHY)
            assert f"prefect runs already: {server.url}" in platform.output()
            for part, command in platform.processes().items():
                if "mlflow" in command:
                    os.kill(part, signal.SIGKILL)
            platform.check_ended()
            assert platform.terminal.returncode
        assert answers(f"{server.url}/health")


@pytest.mark.parametrize("setting", ["PREFECT_API_URL", "MLFLOW_TRACKING_URI"])
def test_a_port_in_use_is_named_with_its_setting(project: BakedProject, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        urls: dict[str, Any] = dict(
            zip(("PREFECT_API_URL", "MLFLOW_TRACKING_URI"), addresses(), strict=True)
        )
        urls[setting] = f"http://127.0.0.1:{port}" + ("/api" if "PREFECT" in setting else "")
        done = project.run("uv", "run", "poe", "up", check=False, **urls)
    assert done.returncode
    [error] = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert f"port {port} of 127.0.0.1: Address already in use" in error
    assert f"set {setting} to another address" in error
