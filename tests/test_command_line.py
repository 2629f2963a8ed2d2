"""The commands' manners: help everywhere, errors in one line, no colours outside of a terminal."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import BakedProject

pytestmark = pytest.mark.slow

# One process for all: most of the time would go into imports.
DRIVER = """
import contextlib, importlib, io, json, sys
answers = []
for module, *argv in json.loads(sys.argv[1]):
    main = importlib.import_module(f"taxi_duration{module}.__main__").main
    sys.argv = ["taxi_duration", *argv]
    code, out = 0, io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            main()
        except SystemExit as end:
            code = end.code
    answers.append([code, out.getvalue()])
print(json.dumps(answers))
"""
COMMANDS = ["train", "tune", "score", "monitor", "retrain", "promote", "serve", "deploy", "worker"]
COMMANDS += ["automations", "up"]
WRONG = {
    ("", "train", "--no-such"): "error: Unknown option: --no-such;",
    ("", "train", "--params.max-depth", "abc"): "error: max_depth: Input should be a valid integer",
    ("", "train", "--params.max-depth", "-3"): "error: max_depth: Input should be greater than",
    ("", "tune", "--trials", "0"): 'error: Invalid value "0" for --trials: Input should be greater',
    ("", "train", "--test-path", "postgresql://u:hush@host/trips"): (
        "error: postgresql://host: holds a password or a token, which logs would keep;"
    ),
    ("", "promote"): 'error: Command "promote" parameter --version requires an argument;',
    ("", "nosuch"): 'error: Unknown command "nosuch"',
    (".examples", "nosuch"): "error: no example is called nosuch; there are: animal_facts, ",
}

COMPILE = """
import sys
from taxi_duration import startup
process = startup.compile_ahead()
if process:
    process.wait()
print(int(process is not None), "prefect" in sys.modules)
"""

START = """
import sys
from taxi_duration import flows, startup
startup.start_server()
print(*sorted({"mlflow.sklearn", "skops.io", "xgboost"} & set(sys.modules)))
"""


@pytest.fixture(scope="module")
def say(project: BakedProject) -> Callable[..., Any]:
    """Exit code, or what was said in its place, and output of each command."""

    def say(*commands: tuple[str, ...]) -> list[tuple[int | str, str]]:
        done = project.run("uv", "run", "python", "-c", DRIVER, json.dumps(commands), NO_COLOR="")
        return [(code, output) for code, output in json.loads(done.stdout.splitlines()[-1])]

    return say


def test_help_everywhere(say: Callable[..., Any]) -> None:
    asked = [("", name, "--help") for name in COMMANDS]
    for (_, name, _), (code, output) in zip(asked, say(*asked), strict=True):
        assert code in {0, None}, output
        assert output.startswith(f"Usage: uv run poe {name}")
        assert "\x1b" not in output
    [(code, output)] = say((".examples", "--help"))
    assert code == 0
    assert "flaky_api" in output


def test_wrong_options_are_told_in_one_line(say: Callable[..., Any]) -> None:
    for (command, wanted), (said, output) in zip(WRONG.items(), say(*WRONG), strict=True):
        assert isinstance(said, str), command
        assert said.startswith(wanted)
        assert "\n" not in said
        assert "pydantic" not in said
        assert output == ""


def test_prefect_is_compiled_ahead_once(project: BakedProject, tmp_path: Path) -> None:
    def said(**env: str) -> str:
        command = ("uv", "run", "python", "-c", COMPILE)
        return project.run(*command, PYTHONPYCACHEPREFIX=str(tmp_path), **env).stdout.strip()

    assert said(PYTHONDONTWRITEBYTECODE="1") == "0 False"
    assert said() == "1 False"
    assert list(tmp_path.rglob("site-packages/prefect/flow_engine.*.pyc"))
    assert said() == "0 False"


def test_imports_go_on_while_a_temporary_server_starts(project: BakedProject) -> None:
    alone = project.run("uv", "run", "python", "-c", START)
    assert "Starting temporary server" in alone.stdout + alone.stderr
    assert alone.stdout.splitlines()[-1] == "mlflow.sklearn skops.io xgboost"
    served = project.run(
        "uv", "run", "python", "-c", START, PREFECT_API_URL="http://127.0.0.1:9/api"
    )
    assert served.stdout + served.stderr == "\n"
