"""Run command lines of the project in one process, with short waits. Run in a project.

Each line of stdin is a JSON object: "argv", and "env" to add to the environment. The answer is a
line of JSON with "error": what a person would have read last on stderr, or null. The argument
"champion" answers with the champion as MLflow has it, loaded and tried.
"""

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import waits

PACKAGE = next(path.name for path in Path("src").iterdir() if (path / "flows.py").exists())
main, data, registry, settings, sources, tasks = (
    importlib.import_module(f"{PACKAGE}.{name}")
    for name in ("__main__", "data", "registry", "settings", "sources", "tasks")
)


def run(argv: list[str]) -> str | None:
    """What the command line says at its end, or None if all went well."""
    sys.argv = ["poe", *argv]
    try:
        main.main()
    except SystemExit as end:
        return str(end.code) if end.code else None
    return None


def champion() -> dict[str, Any] | None:
    """The champion's version and test RMSE, after it has predicted a few rows."""
    store = registry.Registry(settings.Settings())
    found = store.champion()
    if not found:
        return None
    month = sources.list_months(settings.Settings().data_location)[0]
    trips = data.pd.read_parquet(month, columns=data.INPUTS.names)[:5]
    with store.load(found.version) as model:
        assert len(model.predict(trips)) == len(trips)
    return {"version": found.version, "rmse": found.metrics["test_rmse"]}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    os.environ |= request["env"]
    if request["argv"] == ["champion"]:
        return {"champion": champion()}
    return {"error": run(request["argv"])}


if __name__ == "__main__":
    sources.READ_SECONDS = 2
    waits.shorten(tasks)
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)
