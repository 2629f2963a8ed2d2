"""What the benchmarks share: whole processes measured, projects baked, servers, tables."""

import argparse
import contextlib
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TEMPLATE = Path(__file__).resolve().parents[1]
PROCESSES = Path(__file__).resolve().parent / "processes"
PACKAGE = "taxi_duration"
START_SECONDS = 120


@dataclass(frozen=True)
class Cost:
    """What a process and those that it waited for cost, and what it said.

    Wall seconds; processor seconds, which a busy machine hardly changes; the peak memory of the
    largest of the processes in MB.
    """

    seconds: float
    cpu: float
    peak_mb: float
    output: str

    def figure(self, name: str) -> float:
        """Return the last number printed after `name`, as in rmse=4.2 or RMSE 4.2."""
        return float(re.findall(rf"(?i)\b{name}[ =]([0-9.]+[0-9])(?![0-9.%])", self.output)[-1])


def run(
    command: Sequence[str | Path],
    cwd: Path,
    env: Mapping[str, str] | None = None,
    exit_code: int = 0,
) -> Cost:
    """Run a command to its end. Raises RuntimeError with what it said if it ends otherwise.

    Keep the calling process small: Linux counts its memory at the start into the child's peak.
    """
    with tempfile.TemporaryFile("w+") as out:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=cwd, env=environment(env), stdout=out, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        output = out.read()
    if process.returncode != exit_code:
        raise RuntimeError(f"{' '.join(map(str, command))}: {process.returncode}\n{output[-3000:]}")
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit, output)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment without what would lead a process elsewhere, and with `extra`."""
    # Threads that wait without spinning: else a busy machine slows the recipe tenfold, not us.
    same = {"DO_NOT_TRACK": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    strange = ("PREFECT_", "MLFLOW_", "UV_PROJECT", "PYTHON", "VIRTUAL_ENV", PACKAGE.upper())
    kept = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
    return kept | same | dict(extra or {})


def interleaved(times: int, cases: Mapping[str, Callable[[], Cost]]) -> dict[str, list[Cost]]:
    """Run every case in turn, `times` times over, so that all meet the same machine."""
    costs: dict[str, list[Cost]] = {name: [] for name in cases}
    for _ in range(times):
        for name, case in cases.items():
            costs[name].append(case())
            print(f"{name}: {costs[name][-1].seconds:.2f} s", file=sys.stderr, flush=True)
    return costs


def median(costs: Sequence[Cost], what: str = "seconds") -> float:
    """Return the median of the costs."""
    return statistics.median(getattr(cost, what) for cost in costs)


SECONDS = ("Seconds", "Processor s")


def seconds(costs: Sequence[Cost]) -> list[str]:
    """Return the cells under SECONDS: medians."""
    return [f"{median(costs):.2f}", f"{median(costs, 'cpu'):.2f}"]


def ratio(costs: Sequence[Cost], base: Sequence[Cost], what: str = "seconds") -> float:
    """Return the median of the ratios of costs that were measured side by side."""
    pairs = zip(costs, base, strict=True)
    return statistics.median(getattr(a, what) / getattr(b, what) for a, b in pairs)


def bake(folder: Path, *answers: str, sync: bool = True) -> Path:
    """Give a project baked into `folder`, by default with its environment, compiled."""
    cookiecutter = [sys.executable, "-m", "cookiecutter", str(TEMPLATE), "--no-input"]
    env = {"COOKIECUTTER_CONFIG": str(folder / "cookiecutter.yaml")}
    Path(env["COOKIECUTTER_CONFIG"]).write_text(f"replay_dir: {folder / 'replay'}\n")
    run([*cookiecutter, "-o", folder, *answers], folder, env)
    project = folder / PACKAGE.replace("_", "-")
    if sync:
        run([uv(), "sync", "--quiet", "--compile-bytecode"], project)
    return project


def poe_environment(project: Path) -> dict[str, str]:
    """Return the variables that `uv run poe` gives to each command of a project."""
    given = tomllib.loads((project / "pyproject.toml").read_text())["tool"]["poe"]["env"]
    return {name: v["default"] if isinstance(v, dict) else v for name, v in given.items()}


def uv() -> str:
    """Return the uv that runs this benchmark, or the one on the PATH."""
    return os.environ.get("UV", "uv")


def python(project: Path) -> str:
    """Return the interpreter of the project's environment."""
    return str(project / ".venv" / "bin" / "python")


@contextlib.contextmanager
def servers(project: Path, folder: Path) -> Iterator[dict[str, str]]:
    """Run a Prefect and an MLflow server on free ports; gives the variables that point to them."""
    prefect, mlflow = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    env = {"PREFECT_HOME": str(folder / "prefect"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    store = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    store += ["--artifacts-destination", str(folder / "mlartifacts")]
    one = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    workers = ["server", "-w", "1"]
    bin_folder = project / ".venv" / "bin"
    with (
        serving([bin_folder / "prefect", "server", "start"], prefect, "/api/health", project, env),
        serving([bin_folder / "mlflow", *workers, *store], mlflow, "/health", folder, one),
    ):
        yield env | {"PREFECT_API_URL": f"{prefect}/api", "MLFLOW_TRACKING_URI": mlflow}


@contextlib.contextmanager
def serving(
    command: Sequence[str | Path], url: str, health: str, cwd: Path, env: Mapping[str, str]
) -> Iterator[int]:
    """Run a server that answers at `url`; gives its process id. Stopped at the end."""
    command = [*command, "--host", "127.0.0.1", "--port", url.rsplit(":", 1)[-1]]
    path = f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=environment(env) | {"PATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(url + health, process)
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(START_SECONDS * 5):
        if process.poll() is not None:
            raise RuntimeError(f"{url}: the server ended with {process.returncode}")
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.2)
    raise RuntimeError(f"{url}: no answer in {START_SECONDS} s")


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return the options that all benchmarks have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--times", type=int, default=3, help="runs of each case (default: 3)")
    parser.add_argument("--output", type=Path, help="file to write the table to as well")
    return parser


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def publish(title: str, text: str, output: Path | None) -> None:
    """Print a table, and write it to a file if one is named."""
    text = f"**{title}** ({time.strftime('%Y-%m-%d')}, {_machine()})\n\n{text}\n"
    print(text)
    if output:
        output.write_text(text)


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{os.cpu_count()} cores, {memory:.0f} GB"
