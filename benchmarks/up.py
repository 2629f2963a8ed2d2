# /// script
# requires-python = ">=3.11"
# dependencies = ["cookiecutter>=2.7,<3"]
# [tool.uv]
# exclude-newer = "2026-11-20"
# ///
"""`poe up`: seconds until everything is healthy, its memory then, and seconds until all is gone."""

import os
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from measure import (
    PACKAGE,
    START_SECONDS,
    arguments,
    bake,
    environment,
    free_port,
    publish,
    table,
    uv,
)

HEALTHY = "Everything is healthy"


def measure(project: Path, state: Path) -> list[float]:
    """Bring the platform up and down: seconds until healthy, MB, seconds until gone."""
    urls = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
    variables = {"PREFECT_API_URL": f"{urls[0]}/api", "MLFLOW_TRACKING_URI": urls[1]}
    variables |= {"PREFECT_HOME": f"{state}/prefect", f"{PACKAGE.upper()}_STATE_DIR": f"{state}"}
    log = state.with_suffix(".log")
    start = time.perf_counter()
    with log.open("w") as output:
        platform = subprocess.Popen(
            [uv(), "run", "poe", "up"],
            cwd=project,
            env=environment(variables),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        while HEALTHY not in log.read_text():
            if platform.poll() is not None or time.perf_counter() - start > START_SECONDS:
                raise RuntimeError(f"poe up: not healthy\n{log.read_text()[-3000:]}")
            time.sleep(0.1)
        healthy = time.perf_counter() - start
        memory = sum(map(proportional_mb, family(platform.pid)))
        down = time.perf_counter()
    finally:
        os.killpg(platform.pid, signal.SIGINT)
        platform.wait(60)
    return [healthy, memory, time.perf_counter() - down]


def family(process: int) -> list[int]:
    """Return a process and all that it started (Linux)."""
    found = [process]
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        for child in children.read_text().split():
            found += family(int(child))
    return found


def proportional_mb(process: int) -> float:
    """Memory of a process, and its share of what it shares with others."""
    rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    return int(rollup.partition("\nPss:")[2].split()[0]) / 1024


def main() -> None:
    """Measure and print the table."""
    given = arguments(__doc__).parse_args()
    found: dict[str, list[list[float]]] = {"the first time": [], "later": []}
    with tempfile.TemporaryDirectory() as name:
        project = bake(Path(name))
        for number in range(given.times):
            for figures in found.values():  # later: the databases are there
                figures.append(measure(project, Path(name, f"state-{number}")))
    rows = [
        [case, *(f"{statistics.median(figure):.0f}" for figure in zip(*figures, strict=True))]
        for case, figures in found.items()
    ]
    header = ["`poe up`", "Seconds", "Memory MB", "Seconds until gone"]
    publish("The platform", table(header, rows), given.output)


if __name__ == "__main__":
    main()
