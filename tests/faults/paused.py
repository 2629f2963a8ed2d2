"""Run the project's command line, or a worker's flow run, and stop at a stage. Run in a project.

Usage: python paused.py FOLDER STAGE [ARGUMENTS of the command line]. At the stage the process
writes its id to FOLDER/STAGE and waits until that file is gone: time to kill what is to be killed.
"""

import importlib
import os
import runpy
import sys
import time
from pathlib import Path
from typing import Any

import waits

PACKAGE = next(Path("src").glob("*/flows")).parent.name
# Where each stage stops: a month half written; a pipeline half written; an MLflow run with its
# metrics, but no model; a version that is registered, not yet champion.
STAGES = {
    "cleaning": (f"{PACKAGE}.kit.modelling.months", "_check_share"),
    "fitting": (f"{PACKAGE}.kit.modelling.pipeline", "save"),
    "logging": ("mlflow.sklearn", "log_model"),
    "promoting": (f"{PACKAGE}.kit.promotions", "promote"),
}


def stop_before(stage: str, folder: Path) -> None:
    """Stop before the stage's function; of the months, only the last one stops."""
    where, name = STAGES[stage]
    module = importlib.import_module(where)
    function = getattr(module, name)

    def stops(*args: Any, **options: Any) -> Any:
        if stage == "fitting":
            args[1].write_bytes(b"half a pipeline")
        if stage != "cleaning" or "2024-03" in str(args[0]):
            wait(folder / stage)
        return function(*args, **options)

    setattr(module, name, stops)


def wait(marker: Path) -> None:
    """Say that the stage is reached, and wait until the marker is gone."""
    marker.with_suffix(".tmp").write_text(str(os.getpid()))
    marker.with_suffix(".tmp").rename(marker)
    while marker.exists():
        time.sleep(0.1)


def main(folder: str, stage: str, *argv: str) -> None:
    """Run a command line, or without one what a worker runs."""
    waits.shorten(PACKAGE)
    stop_before(stage, Path(folder))
    if argv:
        sys.argv = ["poe", *argv]
        commands = importlib.import_module(f"{PACKAGE}.kit.commands")
        commands.run(importlib.import_module(f"{PACKAGE}.__main__").app)
    else:
        sys.argv = sys.argv[:1]
        runpy.run_module("prefect.engine", run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
