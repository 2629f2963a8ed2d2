# /// script
# requires-python = ">=3.11"
# dependencies = ["cookiecutter>=2.7,<3"]
# [tool.uv]
# exclude-newer = "2026-11-20"
# ///
"""What orchestration costs: `train` on the sample months against plain functions and imports."""

import itertools
import statistics
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

IMPORTS = "import prefect, mlflow.sklearn, xgboost, sklearn, pandas"
EMPTY = "empty flow, no server"
EMPTY_FLOW = "from prefect import flow\n@flow\ndef empty(): pass\nempty()"


def cases(project: Path, folder: Path, env: dict[str, str]) -> dict[str, Callable[[], Cost]]:
    """Return the processes by name."""
    fresh = itertools.count()
    months, ours = sorted((project / "data").glob("*.parquet")), poe_environment(project)

    def process(*words: str | Path, env: dict[str, str]) -> Callable[[], Cost]:
        def measured() -> Cost:
            # A new state folder each time, so that nothing comes from the cache.
            own = {
                f"{PACKAGE.upper()}_STATE_DIR": str(folder / f"state-{next(fresh)}"),
                "PREFECT_HOME": str(folder / "home"),
            }
            return run([python(project), *words], project, own | env)

        return measured

    train = ("-m", PACKAGE, "train")
    return {
        "imports only": process("-c", IMPORTS, env={}),
        "plain functions": process(PROCESSES / "plain.py", *months, env=ours),
        "train, servers running": process(*train, env=ours | env),
        EMPTY: process("-c", EMPTY_FLOW, env={}),
        "train, no server": process(*train, env=ours),
    }


def summary(costs: dict[str, list[Cost]]) -> str:
    """Return the claims, in a sentence each."""
    names = ["imports only", "plain functions", "train, servers running"]
    imports, plain, served = (costs[name] for name in names)
    empty, alone = costs[EMPTY], costs["train, no server"]
    more = [a.seconds - b.seconds for a, b in zip(served, plain, strict=True)]
    pairs = zip(alone, served, empty, strict=True)
    rest = [(a.seconds - b.seconds) / c.seconds for a, b, c in pairs]
    return (
        f"`train` with servers running takes {ratio(served, imports):.2f} times the imports, "
        f"and {statistics.median(more):.1f} s more than the plain functions. Without a server it "
        f"takes {statistics.median(rest):.2f} times an empty flow on top of that."
    )


def main() -> None:
    """Measure and print the table."""
    given = arguments(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project = bake(folder)
        with servers(project, folder) as env:
            cases(project, folder, env)[EMPTY]()  # makes the database
            costs = interleaved(given.times, cases(project, folder, env))
    rows = [
        [name, *seconds(cost), f"{median(cost, 'peak_mb'):.0f}"] for name, cost in costs.items()
    ]
    text = f"{table(['Process', *SECONDS, 'Peak MB'], rows)}\n\n{summary(costs)}"
    publish("Orchestration", text, given.output)


if __name__ == "__main__":
    main()
