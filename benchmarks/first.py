# /// script
# requires-python = ">=3.11"
# dependencies = ["cookiecutter>=2.7,<3"]
# [tool.uv]
# exclude-newer = "2026-11-20"
# ///
"""From the README's first command to a champion with warm caches, and what is installed then.

Each time in an empty folder with an empty HOME: an environment with uv, a bake, `uv run poe train`.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import (
    PACKAGE,
    SECONDS,
    TEMPLATE,
    Cost,
    arguments,
    bake,
    publish,
    run,
    seconds,
    table,
    uv,
)

STEPS = ("pip install uv", "cookiecutter . --no-input", "uv sync", "uv run poe train")


def first_champion(folder: Path) -> list[Cost]:
    """Return the costs of the steps."""
    home, project = folder / "home", folder / PACKAGE.replace("_", "-")
    home.mkdir()
    own = home / "venv" / "bin" / "python"
    run([sys.executable, "-m", "venv", home / "venv"], folder)
    env = {"HOME": str(home), "UV_CACHE_DIR": _said(uv(), "cache", "dir")}
    env |= {"PIP_CACHE_DIR": _said(own, "-m", "pip", "cache", "dir")}
    bake = [own, "-m", "uv", "tool", "run", "cookiecutter", ".", "--no-input", "-o", folder]
    costs = [
        run([own, "-m", "pip", "install", "uv"], folder, env),
        run(bake, TEMPLATE, env),
        run([own, "-m", "uv", "sync"], project, env),
        run([own, "-m", "uv", "run", "poe", "train"], project, env),
    ]
    if "Version 1 promoted: test RMSE" not in costs[-1].output:
        raise RuntimeError(f"no champion:\n{costs[-1].output[-3000:]}")
    return costs


def _said(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def whole(costs: list[Cost]) -> Cost:
    """Return the cost of steps one after the other."""
    return Cost(
        sum(cost.seconds for cost in costs),
        sum(cost.cpu for cost in costs),
        max(cost.peak_mb for cost in costs),
        "",
    )


def installed(folder: Path) -> str:
    """Say what `uv sync` installs, without the developer's tools and with them, in a sentence."""
    project = bake(folder, sync=False)
    megabytes = []
    for options in (["--no-dev"], []):
        run([uv(), "sync", *options], project)
        megabytes.append(_size(project / ".venv"))
    return "An install takes {:.0f} MB, with the developer's tools {:.0f} MB.".format(*megabytes)


def _size(folder: Path) -> float:
    files = (Path(top, name) for top, _, names in os.walk(folder) for name in names)
    return sum(file.lstat().st_blocks for file in files) * 512 / 1e6


def main() -> None:
    """Measure and print the table."""
    given = arguments(__doc__).parse_args()
    all_costs = []
    for _ in range(given.times):
        with tempfile.TemporaryDirectory() as name:
            all_costs.append(first_champion(Path(name)))
    with tempfile.TemporaryDirectory() as name:
        sizes = installed(Path(name))
    rows = [
        [step, *seconds(costs)]
        for step, costs in zip(STEPS, zip(*all_costs, strict=True), strict=True)
    ]
    rows.append(["**all**", *seconds([whole(costs) for costs in all_costs])])
    text = f"{table(['Step', *SECONDS], rows)}\n\n{sizes}"
    publish("From nothing to a champion", text, given.output)


if __name__ == "__main__":
    main()
