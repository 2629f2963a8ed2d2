# /// script
# requires-python = ">=3.11"
# dependencies = ["cookiecutter>=2.7,<3"]
# [tool.uv]
# exclude-newer = "2026-11-20"
# ///
"""Training against the well-known course recipe: time, memory and error, side by side.

Both train on one month and test on the next: as a plain process, and as a flow with MLflow
against running servers.
"""

import itertools
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

PAIRS = {"course recipe, script": "plain functions", "course recipe, flow": "train flow"}
HEADER = ["Months", "Process", "RMSE", *SECONDS, "Ratio", "Peak MB", "Ratio"]


def cases(project: Path, folder: Path, env: dict[str, str], months: list[Path]) -> dict:
    """Return the four processes by name."""
    fresh, ours = itertools.count(), poe_environment(project)

    def script(name: str, extra: dict[str, str]) -> Callable[[], Cost]:
        return lambda: run([python(project), PROCESSES / name, *months], project, extra)

    def train() -> Cost:
        # A new state folder each time, so that nothing comes from the cache.
        state = {f"{PACKAGE.upper()}_STATE_DIR": str(folder / f"state-{next(fresh)}")}
        paths = ["--train-paths", months[0], "--test-path", months[1]]
        return run([python(project), "-m", PACKAGE, "train", *paths], project, ours | env | state)

    return {
        "course recipe, script": script("course_plain.py", {}),
        "plain functions": script("plain.py", ours),
        "course recipe, flow": script("course_flow.py", env),
        "train flow": train,
    }


def rows(months: list[Path], costs: dict[str, list[Cost]]) -> list[list[object]]:
    """Return the table's rows for a pair of months."""
    label, lines = f"{months[0].stem[-7:]}, {months[1].stem[-7:]}", []
    for recipe, ours in PAIRS.items():
        for name in (recipe, ours):
            cost = costs[name]
            line = [label, name, f"{cost[0].figure('rmse'):.3f}", *seconds(cost)]
            line += [f"{ratio(cost, costs[recipe]):.2f}", f"{median(cost, 'peak_mb'):.0f}"]
            lines.append([*line, f"{ratio(cost, costs[recipe], 'peak_mb'):.2f}"])
    return lines


def pairs_of(folder: Path) -> list[list[Path]]:
    """Each month of the folder with the one after it."""
    found = sorted(folder.glob("*.parquet"))
    number = [12 * int(path.stem[-7:-3]) + int(path.stem[-2:]) for path in found]
    return [found[i : i + 2] for i in range(len(found) - 1) if number[i + 1] == number[i] + 1]


def main() -> None:
    """Measure and print the table."""
    parser = arguments(__doc__)
    parser.add_argument("--months", type=Path, help="folder of real months (default: synthetic)")
    parser.add_argument("--rows", type=int, default=100_000, help="rows of a synthetic month")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project = bake(folder)
        if not given.months:
            make = [python(project), PROCESSES / "make_months.py", folder, str(given.rows)]
            run([*make, "2024-01", "2024-02"], project)
        lines = []
        with servers(project, folder) as env:
            for months in pairs_of(given.months.resolve() if given.months else folder):
                costs = interleaved(given.times, cases(project, folder, env, months))
                lines += rows(months, costs)
    publish("Training against the course recipe", table(HEADER, lines), given.output)


if __name__ == "__main__":
    main()
