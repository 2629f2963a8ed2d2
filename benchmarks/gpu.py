# /// script
# requires-python = ">=3.11"
# dependencies = ["cookiecutter>=2.7,<3"]
# [tool.uv]
# exclude-newer = "2026-11-20"
# ///
"""A training in memory on the CPU and on the GPU of this machine, on more and more rows.

The whole fit: months that are cleaned already are read, made features of, and fitted to twice, for
the number of rounds and for the model. Each in a process of its own; it tests on one month more.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import (
    PROCESSES,
    Cost,
    arguments,
    bake,
    poe_environment,
    publish,
    python,
    run,
    table,
    uv,
)

MONTH_ROWS = 1_000_000
# With so many rows the CPU takes minutes: once says enough.
CPU_ONCE = 20_000_000
HEADER = ["Rows", "Trained on", "Seconds", "of it XGBoost", "Trees", "RMSE", "Peak MB", "Card MB"]


def card() -> str:
    """Return the name of the first GPU; empty if there is none."""
    if not shutil.which("nvidia-smi"):
        return ""
    ask = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    done = subprocess.run(ask, capture_output=True, text=True)
    return done.stdout.strip().split("\n")[0] if done.returncode == 0 else ""


def with_cuda(folder: Path) -> tuple[Path, str]:
    """Bake a project for a GPU, as its docs/scale.md says; and return its Python too."""
    project = bake(folder)
    run([uv(), "remove", "--quiet", "xgboost-cpu"], project)
    run([uv(), "add", "--quiet", "xgboost>=3.2,<4"], project)
    return project, python(project)


def line(rows: int, device: str, costs: list[Cost]) -> list[object]:
    """Return the table's row: medians."""

    def median(name: str) -> float:
        return statistics.median(cost.figure(name) for cost in costs)

    peak = statistics.median(cost.peak_mb for cost in costs)
    cells = [f"{rows:,}", "GPU" if device == "cuda" else "CPU", f"{median('fit'):.1f}"]
    cells += [f"{median('trees'):.1f}", f"{median('rounds'):.0f}", f"{median('rmse'):.4f}"]
    return [*cells, f"{peak:.0f}", f"{median('card'):.0f}" if device == "cuda" else ""]


def main() -> None:
    """Measure and print the table."""
    parser = arguments(__doc__)
    sizes = [1_000_000, 5_000_000, 20_000_000]
    parser.add_argument("--rows", type=int, nargs="+", default=sizes, help="rows to train on")
    parser.add_argument(
        "--project", type=Path, help="a project to take instead of baking one, by this Python"
    )
    given = parser.parse_args()
    if not (name := card()):
        print("No GPU on this machine (nvidia-smi names none): nothing to measure")
        return
    size, lines = min(MONTH_ROWS, *given.rows), []
    with tempfile.TemporaryDirectory() as folder:
        own = (given.project, sys.executable) if given.project else with_cuda(Path(folder))
        project, interpreter = own
        paths = [str(project / "src"), os.environ.get("PYTHONPATH", "")]
        env = poe_environment(project) | {"PYTHONPATH": os.pathsep.join(paths)}
        months = Path(folder, "months")
        months.mkdir()
        make = [interpreter, PROCESSES / "clean_months.py", months, str(size)]
        run([*make, str(max(given.rows) // size + 1)], project, env)
        for rows in given.rows:
            for device in ("cuda", "cpu"):
                fit = [interpreter, PROCESSES / "device.py", device, months, str(rows // size)]
                times = 1 if device == "cpu" and rows >= CPU_ONCE else given.times
                costs = [run(fit, project, env) for _ in range(times)]
                lines.append(line(rows, device, costs))
                print(*lines[-1], [cost.figure("fit") for cost in costs], file=sys.stderr)
    publish(f"Training on the CPU and on a GPU ({name})", table(HEADER, lines), given.output)


if __name__ == "__main__":
    main()
