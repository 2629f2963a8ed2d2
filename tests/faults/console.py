"""Run command lines of the project in one process, with short waits. Run in a project.

Each line of stdin is a JSON object: "argv", and "env" to add to the environment. The answer is a
line of JSON with "error": what a person would have read last on stderr, or null. The argument
"champion" answers with the champion as MLflow has it, loaded and tried.
"""

import importlib
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import waits

PACKAGE = next(Path("src").glob("*/flows")).parent.name
main, settings, commands, registry, sources, stores, contract = (
    importlib.import_module(f"{PACKAGE}.{name}")
    for name in (
        *("__main__", "settings", "kit.commands", "kit.registry", "kit.sources", "kit.stores"),
        "kit.modelling.contract",
    )
)


def run(argv: list[str]) -> str | None:
    """Return what the command line says at its end, or None if all went well."""
    handlers = logging.getLogger().handlers
    filters = [handler.filters.copy() for handler in handlers]
    sys.argv = ["poe", *argv]
    try:
        commands.run(main.app)
    except SystemExit as end:
        return str(end.code) if end.code else None
    finally:
        # A command adds filters to them for its process, which here is the next command's too.
        for handler, kept in zip(handlers, filters, strict=True):
            handler.filters = kept
    return None


def champion() -> dict[str, Any] | None:
    """Return the champion's version and test RMSE, after it has predicted a few rows."""
    found = registry.champion()
    if not found:
        return None
    month = sources.list_months(settings.Settings().data_location, Path())[0]
    rows = pd.read_parquet(month, columns=contract.INPUTS.names)[:5]
    with registry.load(found.version) as model:
        assert len(model.predict(rows)) == len(rows)
    return {"version": found.version, "rmse": found.metrics["test_rmse"]}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    os.environ |= request["env"]
    if request["argv"] == ["champion"]:
        return {"champion": champion()}
    return {"error": run(request["argv"])}


if __name__ == "__main__":
    stores.READ_SECONDS = 2
    waits.shorten(PACKAGE)
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)
