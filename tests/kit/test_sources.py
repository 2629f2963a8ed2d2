"""Which months are chosen, and how they are fetched from elsewhere."""

import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from .package import parquet, settings, sources


@pytest.fixture
def server(months: list[str]) -> Iterator[str]:
    """The months over HTTP."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(Path(months[0]).parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def test_the_newest_month_is_the_test_month(months: list[str]) -> None:
    folder = str(Path(months[0]).parent)
    assert sources.choose_months(None, None, folder) == (months[:2], months[2])
    assert sources.choose_months(None, months[1], folder) == (months[:1], months[1])
    assert sources.choose_months(months[:1], months[1], "nowhere") == (months[:1], months[1])


def test_a_data_location_without_months_is_told(tmp_path: Path) -> None:
    with pytest.raises(parquet.DataError, match="no parquet files"):
        sources.choose_months(None, None, str(tmp_path))
    (tmp_path / "trips.parquet").touch()
    (tmp_path / "trips_2024-13.parquet").touch()
    with pytest.raises(parquet.DataError, match="no month in its name"):
        sources.choose_months(None, None, str(tmp_path))


def test_months_are_listed_and_fetched_over_http(
    server: str, months: list[str], tmp_path: Path
) -> None:
    found = sources.list_months(server)
    assert [uri.rsplit("/", 1)[-1] for uri in found] == [Path(path).name for path in months]
    copy = sources.fetch(found[0], tmp_path)
    assert copy.read_bytes() == Path(months[0]).read_bytes()
    with pytest.raises(parquet.DataError, match="no such file"):
        sources.fetch(f"{server}/trips_1999-01.parquet", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [copy.name]


def test_what_a_protocol_needs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(parquet.DataError, match="s3fs"):
        sources.list_months("s3://bucket/months")
    monkeypatch.setitem(sys.modules, "adbc_driver_postgresql", None)
    with pytest.raises(parquet.DataError, match="uv sync --group postgres"):
        sources.fetch("postgresql://me@nowhere/trips?table=trips_2024_01", tmp_path)


@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("data/trips_2024-01.parquet", "trips_2024-01.parquet"),
        ("https://host/months/trips_2024-01.parquet?v=2", "trips_2024-01.parquet"),
        ("postgresql://me@host/trips?sslmode=require&table=trips_2024_01", "trips_2024_01.parquet"),
        ("postgresql://me@host/trips?query=SELECT%201", "query-e004ebd5b5532a4b.parquet"),
    ],
)
def test_every_month_has_a_name(location: str, name: str) -> None:
    assert parquet.file_name(location) == name
    if "2024" in name:
        assert sources.month_in_name(location) == "2024-01"


@pytest.mark.parametrize(
    "location",
    [
        "postgresql://me:hunter2@host/trips?table=trips_2024_01",  # pragma: allowlist secret
        "postgresql://host/trips?table=trips_2024_01&user=me&password=hunter2",
        "https://me:hunter2@host/trips_2024-01.parquet",  # pragma: allowlist secret
        "https://hunter2@host/trips_2024-01.parquet",
    ],
)
def test_a_location_holds_no_password(location: str, tmp_path: Path) -> None:
    uses: list[Callable[[], object]] = [
        lambda: sources.choose_months([location], None, "data"),
        lambda: sources.list_months(location),
        lambda: sources.fetch(location, tmp_path),
    ]
    for use in uses:
        with pytest.raises(parquet.DataError, match="holds a password") as caught:
            use()
        assert "hunter2" not in str(caught.value)
    for name in ("data_location", "MLFLOW_TRACKING_URI"):
        with pytest.raises(ValueError, match=f"(?i){name}: .*: holds a password") as refused:
            settings.Settings(**{name: location})
        assert "hunter2" not in str(refused.value)


def test_a_setting_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{settings.PACKAGE.upper()}_MEMORY_ROWS"
    monkeypatch.setenv(name, "lots")
    with pytest.raises(ValueError, match=rf"^{name}: Input should be a valid integer[^\n]*$"):
        settings.Settings()
