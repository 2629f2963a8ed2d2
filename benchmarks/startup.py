# /// script
# requires-python = ">=3.11"
# dependencies = ["cookiecutter>=2.7,<3"]
# [tool.uv]
# exclude-newer = "2026-11-20"
# ///
"""What people wait for every day: imports, the list of commands, a command's help, a deploy."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from measure import (
    PACKAGE,
    SECONDS,
    Cost,
    arguments,
    bake,
    interleaved,
    publish,
    python,
    ratio,
    run,
    seconds,
    servers,
    table,
    uv,
)

COMPARED_WITH = {
    "import of the flows": "import prefect",
    "uv run poe": "uv run python -c pass",
    "uv run poe train --help": "import prefect",
    "uv run poe deploy": "prefect work-pool ls",
}


def cases(project: Path, env: dict[str, str]) -> dict[str, Callable[[], Cost]]:
    """Return the commands by name."""

    def command(*words: str, exit_code: int = 0) -> Callable[[], Cost]:
        return lambda: run(words, project, env, exit_code)

    poe = (uv(), "run", "poe")
    return {
        "import prefect": command(python(project), "-c", "import prefect"),
        "import of the flows": command(python(project), "-c", f"import {PACKAGE}.flows"),
        "uv run python -c pass": command(uv(), "run", "python", "-c", "pass"),
        "uv run poe": command(*poe, exit_code=1),  # it lists the commands: none was given
        "uv run poe train --help": command(*poe, "train", "--help"),
        "prefect work-pool ls": command(python(project), "-m", "prefect", "work-pool", "ls"),
        "uv run poe deploy": command(*poe, "deploy"),
    }


def main() -> None:
    """Measure and print the table."""
    given = arguments(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project = bake(folder)
        with servers(project, folder) as env:
            for case in cases(project, env).values():
                case()  # compiles what is not, and makes the work pool
            costs = interleaved(given.times, cases(project, env))
    rows = [
        [name, *seconds(cost), f"{ratio(cost, costs[base]):.2f}", base]
        for name, cost in costs.items()
        for base in [COMPARED_WITH.get(name, name)]
    ]
    header = ["Command", *SECONDS, "Ratio", "to"]
    publish("Start-up", table(header, rows), given.output)


if __name__ == "__main__":
    main()
