"""The champion over HTTP: many clients, and everything that a client may get wrong."""

import http.client
import json
import re
import socket
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from .conftest import BakedProject
from .lab import COUNTS, answers, free_port, process, wait_until
from .odd_requests import ODD, ROW, but, records

pytestmark = pytest.mark.slow

JSON = {"Content-Type": "application/json"}


def without(name: str) -> str:
    return records({key: value for key, value in ROW.items() if key != name})


BAD = {
    "a column is missing": without("PULocationID"),
    "an optional column is missing": without("VendorID"),
    "text for a zone": but(PULocationID="here"),
    "a list for a zone": but(PULocationID=[1]),
    "an object for a zone": but(PULocationID={"a": 1}),
    "no zone": but(PULocationID=None),
    "an unknown zone": but(PULocationID=9999),
    "a negative zone": but(DOLocationID=-1),
    "a zone past 64 bits": but(PULocationID=10**30),
    "text for a distance": but(trip_distance="far"),
    "text for a time": but(lpep_pickup_datetime="soon"),
    "a time as a number": but(lpep_pickup_datetime=1709280000000),
    "no time": but(lpep_pickup_datetime=None),
    "a time out of range": but(lpep_pickup_datetime="99999-01-01"),
    "one bad row among good ones": records(ROW, ROW | {"PULocationID": 0}, ROW),
    "not JSON": "hello",
    "half of a JSON": but()[:-9],
    "nothing": "",
    "an empty object": "{}",
    "a list": "[]",
    "a number": "3",
    "null": "null",
    "no rows": records(),
    "rows that are numbers": records(1, 2),
    "rows that are null": json.dumps({"dataframe_records": None}),
    "two formats": json.dumps({"dataframe_records": [ROW], "dataframe_split": {}}),
    "a ragged table": json.dumps({"dataframe_split": {"columns": [*ROW], "data": [[1]]}}),
    "numbers as instances": json.dumps({"instances": [1]}),
    "instances of all sorts": json.dumps({"instances": [[1], {"a": [2]}, None]}),
    "a chat": json.dumps({"messages": [{"role": "user", "content": "how long?"}]}),
    "a deep nest": '{"dataframe_records":' + "[" * 100_000 + "]" * 100_000 + "}",
    "10 MB": records(*[ROW] * 70_000),
    "not UTF-8": b'{"dataframe_records": "\xff\xfe"}',
    "a null byte": b"\0",
}
BAD_HEADERS: dict[str, tuple[str | bytes, dict[str, str]]] = {
    "no type": (but(), {}),
    "another type": (but(), {"Content-Type": "text/plain"}),
    "an empty type": (but(), {"Content-Type": ""}),
    "another charset": (but(), {"Content-Type": "application/json; charset=latin-1"}),
    "JSON as CSV": (but(), {"Content-Type": "text/csv"}),
    "JSON as parquet": (but(), {"Content-Type": "application/vnd.apache.parquet"}),
    "nothing as CSV": ("", {"Content-Type": "text/csv"}),
    "no length": (but(), JSON | {"Transfer-Encoding": "chunked"}),
}


def ask(
    port: int, body: str | bytes, headers: dict[str, str] = JSON, path: str = "/invocations"
) -> tuple[int, str]:
    """Return status and text of the answer to a POST."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    chunked = "Transfer-Encoding" in headers
    content = body.encode() if isinstance(body, str) else body
    sent = iter([content]) if chunked else content
    connection.request("POST", path, sent, headers, encode_chunked=chunked)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_without_a_champion_it_says_so(fresh: BakedProject) -> None:
    done = fresh.run("uv", "run", "poe", "serve", check=False)
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if "error" in line.lower()]
    assert line == "error: taxi-duration: has no champion yet; train one: uv run poe train"


def get(port: int, path: str) -> Any:
    """Return what a GET answers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        return json.loads(answer.read())


@pytest.fixture(scope="module")
def env(project: BakedProject, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Train a champion in a state folder of its own, and return the environment that names it."""
    folder = tmp_path_factory.mktemp("serving")
    env: dict[str, Any] = {"PREFECT_HOME": str(folder / "prefect")}
    env |= {"TAXI_DURATION_STATE_DIR": str(folder / "state")}
    project.run("uv", "run", "poe", "train", **env)
    return env


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the server's output."""
    return tmp_path_factory.mktemp("server") / "log"


@pytest.fixture(scope="module")
def port(project: BakedProject, env: dict[str, Any], log: Path) -> Iterator[int]:
    """Serve the champion, and yield the port."""
    port = free_port()
    command = ("uv", "run", "poe", "serve", "--port", str(port))
    with process(*command, cwd=project.path, env=project.environment(**env), log=log):
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/health"), "the server")
        yield port
    assert "Version 1 of taxi-duration" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_many_clients_get_the_same_answer(port: int) -> None:
    expected = ask(port, but())
    assert expected[0] == 200
    [minutes] = json.loads(expected[1])["predictions"]
    assert 1 < minutes < 60
    with ThreadPoolExecutor(8) as clients:
        got = list(clients.map(lambda _: ask(port, but()), range(1_000)))
    assert {*got} == {expected}


def test_bad_bodies_are_refused_with_a_reason(port: int) -> None:
    good = ask(port, but())
    cases = {name: (body, JSON) for name, body in BAD.items()} | BAD_HEADERS
    for name, (body, headers) in cases.items():
        status, text = ask(port, body, headers)
        assert 400 <= status < 500, f"{name}: {status} {text[:300]}"
        assert len(text) > 20, f"{name}: says nothing"
    assert ask(port, but()) == good
    message = json.loads(ask(port, BAD["an unknown zone"])[1])["message"]
    assert "PULocationID not from 1 to 265: 1" in message
    assert "more than 5,000,000 bytes" in ask(port, BAD["10 MB"])[1]


def statuses(port: int, sent: bytes, goes: bool) -> str:
    """Return the statuses that answer what is sent, until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as opened:
        got = b""
        with suppress(ConnectionError):  # the server may close before it has read everything
            opened.sendall(sent)
            if goes:
                opened.shutdown(socket.SHUT_WR)
            while part := opened.recv(65_536):
                got += part
    return " ".join(re.findall(r"HTTP/1\.1 (\d{3}) ", got.decode("latin-1")))


def test_odd_requests_are_answered_or_refused(port: int, log: Path) -> None:
    good = ask(port, but())
    for name, (expected, sent) in ODD.items():
        COUNTS["bad inputs tried"] += 1
        got = statuses(port, sent, goes=not expected)
        assert re.fullmatch(expected, got), f"{name}: {got}, not {expected}: {sent[:1_000]!r}"
    assert len(ODD) >= 150
    assert ask(port, but()) == good
    assert not re.search("Traceback|Error|ERROR", log.read_text())


def test_rows_that_lack_what_may_be_lacking_are_predicted(port: int) -> None:
    for body in (but(trip_distance=None), but(VendorID=None, trip_type=None), but(extra="x")):
        assert ask(port, body)[0] == 200
    table = json.dumps({"dataframe_split": {"columns": [*ROW], "data": [[*ROW.values()]]}})
    assert ask(port, table) == ask(port, but())


def test_the_typed_api_names_what_it_takes_and_gives(port: int) -> None:
    status, text = ask(port, json.dumps({"rows": [ROW, ROW]}), path="/predict")
    assert status == 200
    [one, other] = json.loads(text)["predictions"]
    assert [one["prediction"]] == json.loads(ask(port, but())[1])["predictions"]
    assert one == other
    for bad in ({"rows": []}, {"dataframe_records": [ROW]}, {"rows": [ROW], "more": 1}):
        status, text = ask(port, json.dumps(bad), path="/predict")
        assert status == 400
        assert len(json.loads(text)["message"]) > 20
    body = get(port, "/openapi.json")["paths"]["/predict"]["post"]["requestBody"]
    columns = body["content"]["application/json"]["schema"]["properties"]["rows"]["items"]
    assert columns["properties"].keys() == ROW.keys()
    assert (
        ask(
            port,
            json.dumps(body["content"]["application/json"]["schema"]["example"]),
            path="/predict",
        )[0]
        == 200
    )


def versions_until(port: int, done: Event) -> list[int]:
    """Ask over one connection until the event, and a hundred times more; return who answered."""
    connection, seen, last = http.client.HTTPConnection("127.0.0.1", port, timeout=60), [], 0
    while last < 100:
        last += done.is_set()
        connection.request("POST", "/invocations", but(), JSON)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
        seen.append(int(answer.headers["X-Model-Version"]))
    connection.close()
    return seen


def test_a_new_champion_is_taken_without_a_gap(
    project: BakedProject, env: dict[str, Any], port: int
) -> None:
    assert get(port, "/version") == {"model": "taxi-duration", "version": 1}
    before, done = ask(port, but()), Event()
    project.run("uv", "run", "poe", "train", "--params.max-rounds", "5", **env)
    with ThreadPoolExecutor(8) as clients:
        asked = [clients.submit(versions_until, port, done) for _ in range(8)]
        try:
            promote = ("uv", "run", "poe", "promote", "--version", "2", "--reason", "a test")
            project.run(*promote, **env)
            wait_until(lambda: get(port, "/version")["version"] == 2, "the new champion", 60)
        finally:
            done.set()
        answered = [client.result() for client in asked]
    assert sum(map(len, answered)) >= 2_000
    for versions in answered:
        assert {*versions} == {1, 2}
        assert versions == sorted(versions), "the older champion answered after the newer one"
    assert ask(port, but()) != before
