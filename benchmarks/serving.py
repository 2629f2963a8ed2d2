# /// script
# requires-python = ">=3.11"
# dependencies = ["cookiecutter>=2.7,<3"]
# [tool.uv]
# exclude-newer = "2026-11-20"
# ///
"""What `serve` answers next to `mlflow models serve` and a bare FastAPI app, of the same model.

All three run at once, each with one process that answers, and are asked in turn for a few seconds
by one client and by eight, for one row and for a hundred. The load comes from its own process.
"""

import shutil
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path

from measure import (
    PACKAGE,
    PROCESSES,
    Cost,
    arguments,
    bake,
    free_port,
    poe_environment,
    publish,
    python,
    run,
    serving,
    table,
)

CELLS = [(clients, rows) for rows in (1, 100) for clients in (1, 8)]
MODEL = f"models:/{PACKAGE.replace('_', '-')}@champion"
HEADER = ["Rows", "Clients", "Server", "Requests a second", "p50 (ms)", "p99 (ms)"]


def commands(project: Path) -> dict[str, list[str | Path]]:
    """Return how each server is started, by its name in the table."""
    # What pyproject.toml gives to `serve` alone.
    threads = [shutil.which("env") or "env", "OMP_NUM_THREADS=1"]
    models = [project / ".venv" / "bin" / "mlflow", "models", "serve", "--model-uri", MODEL]
    uvicorn = [python(project), "-m", "uvicorn", "--log-level", "warning"]
    return {
        "`poe serve`": [*threads, python(project), "-m", PACKAGE, "serve"],
        "`mlflow models serve`": [*models, "--env-manager", "local", "--workers", "1"],
        "bare FastAPI": [*uvicorn, "--app-dir", PROCESSES, "bare_app:app"],
    }


def line(rows: int, clients: int, name: str, costs: list[Cost]) -> list[object]:
    """Return the table's row: medians."""
    rate, p50, p99 = (
        statistics.median(cost.figure(figure) for cost in costs)
        for figure in ("rate", "p50", "p99")
    )
    return [rows, clients, name, f"{rate:.0f}", f"{p50:.1f}", f"{p99:.1f}"]


def main() -> None:
    """Measure and print the table."""
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="of each load (default: 5)")
    given = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        project = bake(Path(name))
        env = {"PREFECT_HOME": f"{name}/prefect", **poe_environment(project)}
        run([python(project), "-m", PACKAGE, "train"], project, env)
        env["MLFLOW_TRACKING_URI"] = f"sqlite:///{project}/mlflow.db"
        ports = {server: free_port() for server in commands(project)}
        for server, command in commands(project).items():
            url = f"http://127.0.0.1:{ports[server]}"
            stack.enter_context(serving(command, url, "/health", project, env))
        for clients, rows in CELLS:
            costs: dict[str, list[Cost]] = {server: [] for server in ports}
            for _ in range(given.times + 1):  # the first one warms up
                for server, port in ports.items():
                    load = [port, rows, clients, given.seconds]
                    words = [python(project), PROCESSES / "load.py", *map(str, load)]
                    costs[server].append(run(words, project, env))
            lines += [line(rows, clients, server, cost[1:]) for server, cost in costs.items()]
    publish("Serving, one process each", table(HEADER, lines), given.output)


if __name__ == "__main__":
    main()
