"""The page about orchestration as its reader uses it: every command, on a server, offline."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import BakedProject
from .lab import STARTS, PrefectServer, free_port, prefect_server, process, wait_until

pytestmark = pytest.mark.slow

ENDLESS = {
    "uv run prefect server start": "Check out the dashboard",
    "uv run poe worker": r"Worker '.+' started",
}
EXAMPLE = "uv run poe example "
SHOWN = {
    "animal_facts": r"Finished in state Completed\('1 of 2 animals answered, 1 needed'\)",
    "caching": r"\('Completed', 20.0\), \('Cached', 20.0\), \('Completed', 50.0\)",
    "concurrency": "24000000 trips up to 2024-12",
    "conditional": "MESSAGE: check 2024-02.txt is Malformed: could not convert",
    "flaky_api": r"(?s)Retry 2/3 .+404 Not Found.+1 of 2 answered",
    "graph": "flow-graph.svg is drawn",
    "transactional": r"(?s)Completed\('both are written'\).+Running rollback hook 'put_back'",
}


@pytest.fixture
def reader(fresh: BakedProject) -> BakedProject:
    fresh.run("uv", "sync", "--quiet", "--python", sys.executable)
    return fresh


@pytest.fixture
def server(reader: BakedProject, tmp_path: Path) -> Iterator[PrefectServer]:
    with prefect_server(reader, tmp_path) as started:
        yield started


def run(command: str, project: BakedProject, server: PrefectServer) -> tuple[int, str]:
    """Return exit code and output of a command, without the internet; it must leave no process."""
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    env = project.environment(
        PREFECT_API_URL=server.url,
        PREFECT_SERVER_API_PORT=str(free_port()),
        UV_OFFLINE="1",
        NO_PROXY="127.0.0.1,localhost",
        **nowhere,
    )
    log = project.path.parent / "command.log"
    with process(*command.split(), cwd=project.path, env=env, log=log) as started:
        if command in ENDLESS:
            wait_until(lambda: re.search(ENDLESS[command], log.read_text()), log.read_text())
            return 0, log.read_text()
        code = started.wait(STARTS)
        with pytest.raises(ProcessLookupError):
            os.killpg(started.pid, 0)
    return code, log.read_text()


def test_every_command_of_the_page_runs(reader: BakedProject, server: PrefectServer) -> None:
    page = (reader.path / "docs/orchestration.md").read_text()
    commands = [*dict.fromkeys(re.findall(r"uv run \w[^`\n]*", page))]
    examples = {path.stem for path in reader.path.glob("src/*/examples/[!_]*.py")}
    assert examples == SHOWN.keys()
    assert {f"{EXAMPLE}{name}" for name in examples} < {*commands}
    for command in commands:
        code, output = run(command, reader, server)
        assert code == 0, f"{command}: {output}"
        assert "Traceback" not in output, f"{command}: {output}"
        shown = SHOWN.get(command.removeprefix(EXAMPLE), "")
        assert re.search(shown, output), f"{command}: {output}"
    listed = run("uv run poe examples", reader, server)[1]
    assert set(re.findall(r"^(\w+)  ", listed, re.MULTILINE)) == examples
    code, output = run(f"{EXAMPLE}animal_facts 2", reader, server)
    assert code == 1
    assert output.endswith("error: 1 of 2 animals answered, 2 needed\n")
    check_the_ui(server)
    assert reader.run("git", "status", "--porcelain").stdout.strip() == "?? uv.lock"


def check_the_ui(server: PrefectServer) -> None:
    """Check what a reader sees in the UI: attempts, states and the artifact."""

    def seen(kind: str, flow: str) -> list[Any]:
        found: list[Any] = server.post(f"{kind}/filter", flows={"name": {"any_": [flow]}})
        return found

    def attempts() -> list[int]:
        return sorted(fetch["run_count"] for fetch in seen("task_runs", "flaky-api"))

    wait_until(lambda: attempts() == [1, 3], "the attempts of flaky_api")
    for name in ("transactional", "animal-facts"):
        states = {run["state_name"] for run in seen("flow_runs", name)}
        assert states == {"Completed", "Failed"}, name
    latest = server.post("artifacts/latest/filter")
    assert "animal-facts" in {artifact["key"] for artifact in latest}
