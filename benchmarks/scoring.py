# /// script
# requires-python = ">=3.11"
# dependencies = ["cookiecutter>=2.7,<3"]
# [tool.uv]
# exclude-newer = "2026-11-20"
# ///
"""Scoring a large month with the score flow, against reading, predicting and writing it whole.

Whole processes, their imports included, against running Prefect and MLflow servers.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from measure import (
    PACKAGE,
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
    ratio,
    run,
    seconds,
    servers,
    table,
)

WHOLE = "the whole file at once"
HEADER = ["Process", "Rows a second", *SECONDS, "Ratio", "Peak MB", "Ratio"]


def cases(project: Path, folder: Path, env: dict[str, str], month: Path) -> dict:
    """Return the two processes by name."""

    def case(env: dict[str, str], *command: str | Path) -> Callable[[], Cost]:
        return lambda: run([python(project), *command], project, env)

    ours = env | poe_environment(project)
    return {
        WHOLE: case(env, PROCESSES / "score_whole.py", month, folder / "whole.parquet"),
        "score flow": case(ours, "-m", PACKAGE, "score", "--paths", month),
    }


def rows(number: int, costs: dict[str, list[Cost]]) -> list[list[object]]:
    """Return the table's rows."""
    lines = []
    for name, cost in costs.items():
        line = [name, f"{number / median(cost):,.0f}", *seconds(cost)]
        line += [f"{ratio(cost, costs[WHOLE]):.2f}", f"{median(cost, 'peak_mb'):.0f}"]
        lines.append([*line, f"{ratio(cost, costs[WHOLE], 'peak_mb'):.2f}"])
    return lines


def main() -> None:
    """Measure and print the table."""
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000, help="rows to score")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project = bake(folder)
        month = folder / "trips_2024-03.parquet"
        sample = project / "data" / month.name
        draw = [python(project), PROCESSES / "large_month.py"]
        run([*draw, sample, str(given.rows), month], project)
        with servers(project, folder) as env:
            run([python(project), "-m", PACKAGE, "train"], project, env)
            costs = interleaved(given.times, cases(project, folder, env, month))
    title = f"Scoring {given.rows:,} rows"
    publish(title, table(HEADER, rows(given.rows, costs)), given.output)


if __name__ == "__main__":
    main()
