# /// script
# requires-python = ">=3.11"
# dependencies = ["cookiecutter>=2.7,<3"]
# [tool.uv]
# exclude-newer = "2026-11-20"
# ///
"""A bake as a command, against a bake of a template that is a single text file."""

import itertools
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from measure import (
    SECONDS,
    TEMPLATE,
    Cost,
    arguments,
    interleaved,
    publish,
    ratio,
    run,
    seconds,
    table,
)

SMALLEST = "one text file"


def smallest_template(folder: Path) -> Path:
    """Make a template that renders one text file, and has neither questions nor hooks."""
    template = folder / "smallest"
    inside = template / "{{ cookiecutter.name }}"
    inside.mkdir(parents=True)
    (template / "cookiecutter.json").write_text(json.dumps({"name": "smallest"}))
    (inside / "README.md").write_text("# {{ cookiecutter.name }}\n")
    return template


def cases(folder: Path) -> dict[str, Callable[[], Cost]]:
    """Return the bakes by name."""
    fresh = itertools.count()
    config = folder / "cookiecutter.yaml"
    config.write_text(f"replay_dir: {folder / 'replay'}\n")

    def bake(template: Path, *answers: str) -> Callable[[], Cost]:
        command = [sys.executable, "-m", "cookiecutter", ".", "--no-input", *answers]
        env = {"COOKIECUTTER_CONFIG": str(config)}
        return lambda: run([*command, "-o", folder / f"out-{next(fresh)}"], template, env)

    return {
        SMALLEST: bake(smallest_template(folder)),
        "this template, without git": bake(TEMPLATE, "init_git=no"),
        "this template": bake(TEMPLATE),
    }


def main() -> None:
    """Measure and print the table."""
    given = arguments(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as name:
        costs = interleaved(given.times, cases(Path(name)))
    rows = [
        [name, *seconds(cost), f"{ratio(cost, costs[SMALLEST]):.2f}"]
        for name, cost in costs.items()
    ]
    publish("A bake", table(["Template", *SECONDS, "Ratio"], rows), given.output)


if __name__ == "__main__":
    main()
