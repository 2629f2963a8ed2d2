"""Each example does what it says, and so does the page about orchestration."""

import asyncio
import gc
import re
import shutil
import sys
import threading
import time
import tomllib
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.artifacts import Artifact
from prefect.futures import PrefectConcurrentFuture
from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings

from . import PACKAGE, ROOT

FOLDER = ROOT / "src" / PACKAGE / "examples"
NAMES = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))
PAGE = ROOT / "docs" / "orchestration.md"
IMPATIENT = {"retry_delay_seconds": 0, "retry_jitter_factor": None}

serving = pytest.mark.usefixtures("prefect_harness")


def example(name: str) -> Any:
    return import_module(f"{PACKAGE}.examples.{name}")


@contextmanager
def api(answer: Callable[[BaseHTTPRequestHandler], int | None]) -> Iterator[tuple[str, list[str]]]:
    """URL of an API that answers with a status (None: hangs up), and the calls that it got."""
    calls: list[str] = []

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            calls.append(self.path)
            if status := answer(self):
                self.send_response(status)
                self.end_headers()
                self.wfile.write(b'{"fact": "true"}')

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/fact", calls
        server.shutdown()


def scripted(*statuses: int | None) -> Callable[[BaseHTTPRequestHandler], int | None]:
    script = iter(statuses)
    return lambda _: next(script)


def fetch(url: str, **options: Any) -> Any:
    task = example("flaky_api").fetch_fact.with_options(**IMPATIENT | options)
    return asyncio.run(task(url))


@serving
def test_flaky_api_asks_again_while_it_may_help() -> None:
    with api(scripted(503, None, 200)) as (url, calls):
        assert fetch(url) == "true"
        assert len(calls) == 3
    with api(lambda _: 500) as (url, calls), pytest.raises(httpx.HTTPStatusError, match="500"):
        fetch(url)
    assert len(calls) == 4
    task = example("flaky_api").fetch_fact
    assert task.retry_delay_seconds == [1, 2, 4]
    assert task.retry_jitter_factor > 0


@serving
def test_flaky_api_does_not_ask_again_in_vain() -> None:
    with api(lambda _: 404) as (url, calls):
        assert asyncio.run(example("flaky_api").flaky_api([url])) == {}
    assert len(calls) == 1


@serving
def test_flaky_api_limits_the_time_of_a_request_that_never_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done = threading.Event()

    def trickle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        while not done.wait(0.05):  # always in time for httpx's own limits
            request.wfile.write(b"X-More: of it\r\n")
            request.wfile.flush()

    assert example("flaky_api").fetch_fact.timeout_seconds == 5
    with api(trickle) as (url, _):
        with pytest.raises(TimeoutError):
            fetch(url, timeout_seconds=0.5, retries=1)
        done.set()
    assert "Retry 1/1" in caplog.text


def test_flaky_server_repeats_itself_by_seed() -> None:
    def statuses(seed: int) -> list[int]:
        with example("_server").flaky_server(seed) as url, httpx.Client() as client:
            return [client.get(f"{url}/cat").status_code for _ in range(3)]

    assert statuses(7) == [503, 503, 200]
    assert statuses(8) == [503, 200, 503]


@serving
def test_animal_facts_asks_both_at_once_and_keeps_the_fact_that_it_got() -> None:
    both = threading.Barrier(2, timeout=10)

    async def parent(**urls: str) -> Any:
        return await example("animal_facts").animal_facts(urls, return_state=True)

    def meet(request: BaseHTTPRequestHandler) -> int:
        both.wait()
        return 404 if request.path == "/gone" else 200

    with api(meet) as (url, _):
        kept = asyncio.run(parent(cat=url, dog=url.replace("fact", "gone")))
    assert kept.name == "Completed"
    assert kept.message == "1 of 2 animals answered, 1 needed"
    assert kept.result() == {"cat": "true"}
    artifact: Any = Artifact.get("animal-facts")
    assert "- cat: true\n- dog: no fact about the dog" in artifact.data

    with api(lambda _: 404) as (url, _):
        failed = asyncio.run(parent(dog=url))
    assert failed.name == "Failed"
    assert failed.message == "0 of 1 animals answered, 1 needed"


@serving
def test_caching_reads_again_only_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caching = example("caching")
    reads: list[str] = []
    total = caching.total

    def counted(path: Path) -> float:
        reads.append(path.read_text())
        return float(total(path))

    monkeypatch.setattr(caching, "total", counted)
    with temporary_settings({PREFECT_LOCAL_STORAGE_PATH: tmp_path / "results"}):
        first = caching.caching(tmp_path / "a.txt")
        assert first == [("Completed", 20), ("Cached", 20), ("Completed", 50)]
        assert [len(text.split()) for text in reads] == [2, 3]
        assert [name for name, _ in caching.caching(tmp_path / "b.txt")] == ["Cached"] * 3
    assert len(reads) == 2


@serving
def test_concurrency_keeps_its_limit_and_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    concurrency = example("concurrency")
    limit, batch = concurrency.LIMIT, concurrency.BATCH
    together = threading.Barrier(limit, timeout=10)
    lock, seen = threading.Lock(), Counter[str]()
    read: list[weakref.ref[Any]] = []

    class Month(bytearray):
        pass

    def note(name: str, count: int) -> None:
        seen[name] = max(seen[name], count)

    def read_month(month: str) -> Month:
        with lock:
            seen["running"] += 1
            note("at once", seen["running"])
            note("months", sum(month() is not None for month in read))
            if month == "23":
                gc.collect()
                things = gc.get_objects()
                note("futures", sum(type(thing) is PrefectConcurrentFuture for thing in things))
        together.wait()  # so many do run at once
        time.sleep(0.02)  # one more would be seen
        with lock:
            seen["running"] -= 1
        trips = Month(b"\n" * 10)
        read.append(weakref.ref(trips))
        return trips

    monkeypatch.setattr(concurrency, "read_month", read_month)
    assert concurrency.concurrency([str(month) for month in range(2 * batch)]) == 20 * batch
    assert seen["at once"] == limit
    assert seen["months"] <= limit
    assert 0 < seen["futures"] <= batch


@serving
def test_conditional_takes_another_path_and_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conditional = example("conditional").conditional
    for name, text in {"good.txt": "12.5 7.5", "bad.txt": "9 <html>"}.items():
        (tmp_path / name).write_text(text)
    assert conditional(tmp_path) == {"good.txt": 20}
    assert (tmp_path / "quarantine" / "bad.txt").read_text() == "9 <html>"
    assert not (tmp_path / "bad.txt").exists()
    checked, over = capsys.readouterr().out.splitlines()
    assert "MESSAGE: check bad.txt is Malformed: could not convert" in checked
    assert over.endswith("is Completed: minutes {'good.txt': 20.0}")

    (tmp_path / "good.txt").write_text("none")
    assert conditional(tmp_path, return_state=True).is_failed()
    assert "is Failed: no good file" in capsys.readouterr().out


@serving
def test_transactional_writes_both_or_neither(tmp_path: Path) -> None:
    def write(minutes: list[float]) -> tuple[Any, dict[str, str]]:
        state = example("transactional").transactional(tmp_path, minutes, return_state=True)
        return state.name, {path.name: path.read_text() for path in tmp_path.iterdir()}

    assert write([]) == ("Failed", {})
    written = {"predictions.txt": "12.5\n7.5", "mean.txt": "10.0"}
    assert write([12.5, 7.5]) == ("Completed", written)
    assert write([]) == ("Failed", written)


@serving
def test_graph_draws_a_flow_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with api(lambda _: 404) as (url, _):
        asyncio.run(example("animal_facts").animal_facts({"bee": url}, 0))
    assert re.search(r'"animal-fact / bee" fillcolor=salmon', example("graph").draw().source)
    with pytest.raises(LookupError, match="no flow run nobody is there"):
        example("graph").draw("nobody")
    if shutil.which("dot"):
        run_example(monkeypatch, "graph")
        assert "animal&#45;fact / bee" in (tmp_path / "flow-graph.svg").read_text()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match="no picture without Graphviz: install it"):
        run_example(monkeypatch, "graph")


def run_example(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["examples", *arguments])
    for name in arguments:
        monkeypatch.delitem(sys.modules, f"{PACKAGE}.examples.{name}", raising=False)
    example("__main__").main()


def test_examples_are_listed_and_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_example(monkeypatch)
    *listed, _, hint = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == NAMES
    assert "uv run poe example NAME" in hint
    with pytest.raises(SystemExit, match="no example is called flaky; there are: animal_facts,"):
        run_example(monkeypatch, "flaky")


@pytest.mark.parametrize("name", NAMES)
def test_examples_say_what_to_watch(name: str) -> None:
    text = (FOLDER / f"{name}.py").read_text()
    assert len(text.splitlines()) <= 60
    assert f"Run:   uv run poe example {name}" in text
    assert all(word in str(example(name).__doc__) for word in ("\nWatch: ", "\nTakes: "))


def test_page_names_what_is_there() -> None:
    page = PAGE.read_text()
    files = dict(re.findall(r"^\[(.+)\]: (.+)$", page, re.MULTILINE))
    named = re.findall(r"\[`(\S+): ([^`]+)`\]\[(\S+)\]", page)
    assert {target for *_, target in named} == files.keys()
    for name, symbol, target in named:
        assert name == target
        text = (PAGE.parent / files[name]).read_text()
        assert re.search(rf"\b{re.escape(symbol)}\b", text), f"{symbol} is not in {name}"


def test_page_names_commands_that_are_there() -> None:
    page = PAGE.read_text()
    assert set(re.findall(r"uv run poe example (\w+)", page)) == {*NAMES}
    tasks = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["poe"]["tasks"]
    assert set(re.findall(r"uv run poe (\w+)", page)) <= tasks.keys()
