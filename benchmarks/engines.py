# /// script
# requires-python = ">=3.11"
# dependencies = ["cookiecutter>=2.7,<3"]
# [tool.uv]
# exclude-newer = "2026-11-20"
# ///
"""The engines of `train`, and the course recipe, on more and more synthetic months.

Plain functions, each in a process of its own; they test on one month more. The peak is that of
all processes of a case together.
"""

import shutil
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from measure import (
    PROCESSES,
    SECONDS,
    Cost,
    arguments,
    bake,
    interleaved,
    median,
    poe_environment,
    publish,
    python,
    run,
    seconds,
    table,
    uv,
)

ENGINES = ["memory", "external", "dask"]
# The recipe needs more than 11 GB for 20 million rows.
RECIPE, RECIPE_ROWS = "course recipe", 5_000_000
MONTH_ROWS = 1_000_000
HEADER = ["Rows", "Engine", "RMSE", *SECONDS, "Microseconds a row", "Peak MB"]


def make_months(project: Path, folder: Path, rows: int) -> Path:
    """Make a folder of months with so many rows together, next to a file for the test."""
    months = folder / str(rows) / "train"
    months.mkdir(parents=True)
    size = min(rows, MONTH_ROWS)
    names = [f"{2010 + i // 12}-{1 + i % 12:02}" for i in range(rows // size)]
    make = [python(project), PROCESSES / "make_months.py"]
    run([*make, months, str(size), *names], project)
    run([*make, months.parent, str(size), "2024-01"], project)
    return months


def cases(project: Path, months: Path, rows: int, rounds: int, engines: list[str]) -> dict:
    """Return the processes by name."""
    [test] = months.parent.glob("*.parquet")

    def process(env: dict[str, str], script: str, *words: str | Path) -> Callable[[], Cost]:
        return lambda: run([python(project), PROCESSES / script, *words, test], project, env)

    paths, ours = sorted(months.iterdir()), poe_environment(project)
    found = {
        name: process(ours, "engine.py", name, str(rounds), months.parent / name, *paths)
        for name in engines
    }
    return found if rows > RECIPE_ROWS else {RECIPE: process({}, "course_plain.py", months)} | found


def line(rows: int, name: str, costs: list[Cost]) -> list[object]:
    """Return the table's row for an engine."""
    peaks = [cost.peak_mb if name == RECIPE else cost.figure("peak") for cost in costs]
    cells = [f"{rows:,}", name, f"{costs[0].figure('rmse'):.3f}", *seconds(costs)]
    return [*cells, f"{median(costs) / rows * 1e6:.1f}", f"{statistics.median(peaks):.0f}"]


def main() -> None:
    """Measure and print the table."""
    parser = arguments(__doc__)
    sizes = [100_000, 1_000_000, 5_000_000, 20_000_000]
    parser.add_argument("--rows", type=int, nargs="+", default=sizes, help="rows to train on")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--rounds", type=int, default=20, help="trees, at most (default: 20)")
    given = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project = bake(folder, sync=False)
        run([uv(), "sync", "--quiet", "--compile-bytecode", "--group", "dask"], project)
        for rows in given.rows:
            months = make_months(project, folder, rows)
            found = cases(project, months, rows, given.rounds, given.engines)
            costs = interleaved(given.times, found)
            lines += [line(rows, name, cost) for name, cost in costs.items()]
            shutil.rmtree(months.parent)
    publish(f"Engines, {given.rounds} trees", table(HEADER, lines), given.output)


if __name__ == "__main__":
    main()
