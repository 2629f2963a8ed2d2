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

PACKAGE = next(path.name for path in Path("src").iterdir() if (path / "flows.py").exists())
STAGES = {
    "cleaning": ("data", "_check_share"),
    "fitting": ("training", "save"),
    "logging": ("mlflow.sklearn", "log_model"),
    "promoting": ("registry.Registry", "promote"),
}
"""Where each stage stops: a month half written; a pipeline half written; an MLflow run with its
metrics, but no model; a version that is registered, not yet champion."""


def stop_before(stage: str, folder: Path) -> None:
    """Stop before the stage's function; of the months, only the last one stops."""
    where, name = STAGES[stage]
    module, _, owner = where.partition(".")
    if module == "mlflow":
        target: Any = importlib.import_module(where)
    else:
        target = importlib.import_module(f"{PACKAGE}.{module}")
        target = getattr(target, owner) if owner else target
    function = getattr(target, name)

    def stops(*args: Any, **options: Any) -> Any:
        if stage == "fitting":
            args[1].write_bytes(b"half a pipeline")
        if stage != "cleaning" or "2024-03" in str(args[0]):
            wait(folder / stage)
        return function(*args, **options)

    setattr(target, name, stops)


def wait(marker: Path) -> None:
    """Say that the stage is reached, and wait for leave to go on."""
    marker.with_suffix(".tmp").write_text(str(os.getpid()))
    marker.with_suffix(".tmp").rename(marker)
    while marker.exists():
        time.sleep(0.1)


def main(folder: str, stage: str, *argv: str) -> None:
    """Run a command line, or without one what a worker runs."""
    waits.shorten(importlib.import_module(f"{PACKAGE}.tasks"))
    stop_before(stage, Path(folder))
    if argv:
        sys.argv = ["poe", *argv]
        importlib.import_module(f"{PACKAGE}.__main__").main()
    else:
        sys.argv = sys.argv[:1]
        runpy.run_module("prefect.engine", run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
