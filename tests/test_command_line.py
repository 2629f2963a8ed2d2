"""The commands' manners: help everywhere, errors in one line, no colours outside of a terminal."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from .conftest import BakedProject
from .lab import serve_http

pytestmark = pytest.mark.slow

# One process for all: most of the time would go into imports.
DRIVER = """
import contextlib, importlib, io, json, sys
from taxi_duration.kit.commands import run
answers = []
for module, *argv in json.loads(sys.argv[1]):
    found = importlib.import_module(f"taxi_duration{module}.__main__")
    sys.argv = ["taxi_duration", *argv]
    code, out = 0, io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            found.main() if module else run(found.app)
        except SystemExit as end:
            code = end.code
    answers.append([code, out.getvalue()])
print(json.dumps(answers))
"""
COMMANDS = ["train", "tune", "score", "monitor", "retrain", "promote", "serve", "deploy", "worker"]
COMMANDS += ["automations", "up", "upgrade", "status", "history", "clean"]
WRONG = {
    ("", "train", "--no-such"): "error: Unknown option: --no-such;",
    ("", "train", "--params.max-depth", "abc"): "error: max_depth: Input should be a valid integer",
    ("", "train", "--params.max-depth", "-3"): "error: max_depth: Input should be greater than",
    ("", "tune", "--trials", "0"): 'error: Invalid value "0" for --trials: Input should be greater',
    ("", "train", "--test-path", "postgresql://u:hush@host/trips"): (
        "error: postgresql://host: holds a password or a token, which logs would keep;"
    ),
    ("", "score", "--paths", "https://host/trips?token=hush"): "error: https://host: holds a pass",
    ("", "clean", "--keep", "0"): 'error: Invalid value "0" for --keep',
    ("", "promote"): 'error: Command "promote" parameter --version requires an argument;',
    ("", "nosuch"): 'error: Unknown command "nosuch"',
    (".examples", "nosuch"): "error: no example is called nosuch; there are: animal_facts, ",
}


@pytest.fixture(scope="module")
def say(project: BakedProject) -> Callable[..., Any]:
    """Return exit code, or what was said in its place, and output of each command."""

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
        assert "hush" not in said
        assert output == ""


def test_a_server_that_is_away_is_named_in_one_line(project: BakedProject) -> None:
    """And no temporary server is started in its place."""
    away = "http://127.0.0.1:9/api"
    done = project.run("uv", "run", "poe", "train", check=False, PREFECT_API_URL=away)
    assert done.returncode == 1
    said, last = done.stderr.splitlines()
    assert said == f"Poe => python -m {project.package} train"
    assert last.startswith(f"error: Failed to reach API at {away}/; start it (uv run poe up), or")


@pytest.fixture
def asks() -> Iterator[tuple[str, list[str | None]]]:
    """A server that answers 401 to all: its address, and the logins that were sent to it."""
    logins = []

    class Asks(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            logins.append(self.headers["Authorization"])
            self.send_response(401)
            self.end_headers()

        do_POST = do_GET  # noqa: N815 http.server's names

        def log_message(self, *_: object) -> None:
            pass

    with serve_http(Asks) as url:
        yield url, logins


def test_a_login_in_the_env_file_reaches_each_command(
    fresh: BakedProject, asks: tuple[str, list[str | None]]
) -> None:
    address, logins = asks
    lines = {
        "MLFLOW_TRACKING_URI": address,
        "MLFLOW_TRACKING_USERNAME": "ada",
        "MLFLOW_TRACKING_PASSWORD": "hush",
    }
    (fresh.path / ".env").write_text("".join(f"{n}={value}\n" for n, value in lines.items()))
    for command in (("promote", "--version", "1"), ("history",)):
        done = fresh.run("uv", "run", "poe", *command, check=False)
        assert done.returncode
        *_, last = done.stderr.splitlines()
        assert last.startswith(f"error: {address}: MLflow cannot be used (")
        assert "401" in last
        assert "hush" not in done.stdout + done.stderr
        assert {*logins} == {f"Basic {b64encode(b'ada:hush').decode()}"}
        logins.clear()


@pytest.mark.parametrize("command", ["deploy", "worker", "automations"])
def test_a_prefect_server_that_wants_a_login_is_one_line(
    project: BakedProject, asks: tuple[str, list[str | None]], command: str
) -> None:
    address, logins = asks
    done = project.run("uv", "run", "poe", command, check=False, PREFECT_API_URL=f"{address}/api")
    assert done.returncode == 1
    said, last = done.stderr.splitlines()
    assert said.startswith("Poe => ")
    assert last.startswith(f"error: {address}/api/")
    assert "answers 401; set PREFECT_API_AUTH_STRING, or" in last
    assert logins
