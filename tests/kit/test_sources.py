"""Which months are chosen, and how they are fetched from elsewhere."""

import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .. import module

contract = module("kit.modelling.contract")
csv_files = module("kit.csv_files")
locations = module("kit.locations")
periods = module("kit.modelling.periods")
settings = module("settings")
sources = module("kit.sources")


SIGNED = [
    "https://bucket.s3.amazonaws.com/trips_2024-01.parquet?X-Amz-Date=2024&X-Amz-Signature=hunter2",
    "https://bucket.s3.amazonaws.com/trips_2024-01.parquet?AWSAccessKeyId=A&Signature=hunter2&v=1",
    "https://storage.googleapis.com/trips_2024-01.parquet?x-goog-signature=hunter2",
    "https://account.blob.core.windows.net/O'Brien/trips_2024-01.csv?sv=1 2&sig=hunter2%3D",
    "https://cdn.example/trips_2024-01.parquet?Policy=hunter2&Signature=x&Key-Pair-Id=hunter2",
]


@contextmanager
def serving(handler: Any) -> Iterator[str]:
    """Serve HTTP, and give the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


@pytest.fixture
def server(months: list[str]) -> Iterator[str]:
    """The months over HTTP."""
    folder = str(Path(months[0]).parent)
    with serving(partial(SimpleHTTPRequestHandler, directory=folder)) as address:
        yield address


def choose(
    train: list[str] | None, test: str | None, location: str, window: int | None = None
) -> Any:
    """Choose months where nothing has to be split."""
    return sources.choose_months(train, test, window, location, Path("nowhere"))


def test_the_newest_month_is_the_test_month(months: list[str]) -> None:
    folder = str(Path(months[0]).parent)
    assert choose(None, None, folder) == (months[:2], months[2])
    assert choose(None, None, folder, window=1) == (months[1:2], months[2])
    assert choose(None, None, folder, window=9) == (months[:2], months[2])
    assert choose(None, months[1], folder) == (months[:1], months[1])
    assert choose(months[:1], months[1], "nowhere") == (months[:1], months[1])
    assert choose(months[:2], months[2], "nowhere", window=1) == (months[1:2], months[2])
    with pytest.raises(locations.DataError, match=r"no month before .*2024-01.* to train on"):
        choose(None, months[0], folder)


def test_a_data_location_without_months_is_refused(tmp_path: Path) -> None:
    with pytest.raises(locations.DataError, match="no parquet or CSV files"):
        choose(None, None, str(tmp_path))
    (tmp_path / "trips_2024-01.xlsx").touch()
    with pytest.raises(locations.DataError, match=r"no parquet or CSV files, but 1 \.xlsx"):
        choose(None, None, str(tmp_path))


def test_hidden_files_are_no_months(tmp_path: Path) -> None:
    for name in ("trips_2024-01.parquet", "trips_2024-02.parquet"):
        (tmp_path / name).touch()
        # What macOS leaves next to a copy, and a file on its way.
        (tmp_path / f"._{name}").touch()
    (tmp_path / ".trips_2024-03.parquet").touch()
    found = sources.list_months(str(tmp_path), tmp_path / "raw")
    assert [Path(path).name for path in found] == ["trips_2024-01.parquet", "trips_2024-02.parquet"]


def test_a_newest_month_in_several_files_is_refused(tmp_path: Path) -> None:
    names = ["taxis_2024-02.parquet", "trips_2024-02.parquet"]
    for name in ("trips_2024-01.parquet", *names):
        (tmp_path / name).touch()
    message = rf"2 files are of 2024-02, the newest month \({', '.join(names)}\); keep one of them"
    message += " there, or put them into one"
    with pytest.raises(locations.DataError, match=message):
        sources.newest_month(str(tmp_path), tmp_path)
    with pytest.raises(locations.DataError, match=message):
        choose(None, None, str(tmp_path))
    # A month that was given is taken; of older ones `check_months` says that they overlap.
    test = str(tmp_path / "trips_2024-02.parquet")
    assert choose(None, test, str(tmp_path))[1] == test


def test_months_are_listed_and_fetched_over_http(
    server: str, months: list[str], tmp_path: Path
) -> None:
    found = sources.list_months(server, tmp_path)
    assert [uri.rsplit("/", 1)[-1] for uri in found] == [Path(path).name for path in months]
    copy = sources.fetch(found[0], tmp_path)
    assert copy.read_bytes() == Path(months[0]).read_bytes()
    with pytest.raises(locations.DataError, match="no such file"):
        sources.fetch(f"{server}/trips_1999-01.parquet", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [copy.name]


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_signature_is_in_no_error_of_a_store(status: int, tmp_path: Path) -> None:
    class Refusing(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(status)

    with serving(Refusing) as address, pytest.raises((OSError, locations.DataError)) as caught:
        sources.fetch(SIGNED[0].replace("https://bucket.s3.amazonaws.com", address), tmp_path)
    told = "".join(traceback.format_exception(caught.value))
    assert f"{address}/trips_2024-01.parquet: " in told
    assert "hunter2" not in told


def test_what_a_protocol_needs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(locations.DataError, match="s3fs"):
        sources.list_months("s3://bucket/months", tmp_path)
    monkeypatch.setitem(sys.modules, "adbc_driver_postgresql", None)
    with pytest.raises(
        locations.DataError, match=r"`uv sync --group postgres` .*`uv add adbc-driver-postgresql`"
    ):
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
    assert locations.file_name(location) == locations.name_in(location) == name
    if "2024" in name:
        assert periods.in_name(location) == "2024-01"


@pytest.mark.parametrize(
    "table",
    [
        *("../../trips_2024_01", "/etc/trips_2024_01", "..%2Ftrips_2024_01", "a\\trips_2024_01"),
        *("%2E%2E/trips_2024_01", "trips_2024_01%0A", "trips%00_2024_01", ".trips_2024_01"),
        *("Fahrten: 2024_01 *", "trips_2024_01" + 100 * "é", "..", "con|2024_01"),
    ],
)
def test_a_table_makes_a_name_that_stays_in_its_folder(table: str, tmp_path: Path) -> None:
    location = f"postgresql://host/trips?table={table}"
    name = locations.file_name(location)
    assert (tmp_path / name).resolve().parent == tmp_path.resolve()
    assert len(name.encode()) < 200
    assert name.endswith("parquet")
    assert name.isprintable()
    assert not {*name} & {*'/\\:*?"<>|'}
    assert not name.startswith(".")
    (tmp_path / name).touch()
    others = {locations.file_name(f"{location}{more}") for more in ("", "/", "\\", "_")}
    assert len(others) == 4, "names of their own"


@pytest.mark.parametrize(
    "location",
    [
        "postgresql://me:hunter2@host/trips?table=trips_2024_01",  # pragma: allowlist secret
        "postgresql://host/trips?table=trips_2024_01&user=me&password=hunter2",
        "postgresql://host/trips?table=trips_2024_01&sslpassword=hunter2",
        "https://me:hunter2@host/trips_2024-01.parquet",  # pragma: allowlist secret
        "https://hunter2@host/trips_2024-01.parquet",
        "https://host/trips_2024-01.parquet?token=hunter2",
        "https://host/trips_2024-01.parquet?v=1&Access_Token=hunter2",
        "https://host/trips_2024-01.parquet?private_token=hunter2",
        "s3://key:hunter2@bucket/trips_2024-01.parquet",  # pragma: allowlist secret
    ],
)
def test_a_location_holds_no_password(location: str, tmp_path: Path) -> None:
    uses: list[Callable[[], object]] = [
        lambda: choose([location], None, "data"),
        lambda: choose(None, location, "data"),
        lambda: sources.list_months(location, tmp_path),
        lambda: sources.fetch(location, tmp_path),
    ]
    for use in uses:
        with pytest.raises(locations.DataError, match="holds a password or a token") as caught:
            use()
        assert "hunter2" not in str(caught.value)
    for name in ("data_location", "MLFLOW_TRACKING_URI"):
        with pytest.raises(ValueError, match=f"(?i){name}: .*: holds a password") as refused:
            settings.Settings(**{name: location})
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "location",
    [
        *("data/me:hunter2@2024-01.parquet", "postgresql://me@host/trips?table=tokens_2024_01"),
        *("s3://bucket/trips_2024-01.parquet?versionId=1", "https://host/token/trips_2024-01"),
        "https://host/trips_2024-01.parquet?X-Amz-Signature=of-a-presigned-address",
    ],
)
def test_a_location_without_a_password_is_taken(location: str) -> None:
    assert locations.refuse_password(location) == location


@pytest.mark.parametrize("location", SIGNED)
def test_no_signature_is_kept(location: str) -> None:
    plain = location.partition("?")[0]
    kept = {"path": "x", "rows": 1, "scored": 1, "rejected": {}}
    assert module("kit.records").Scores(source=location, **kept).source == plain
    kept = {"path": "x", "digest": "", "period": "", "rows": 1, "kept": 1, "dropped": {}}
    assert module("kit.records").Month(source=location, **kept).source == plain
    error = locations.DataError(f"{location}: no answer (url='{location}')")
    assert str(error) == f"{plain}: no answer (url='{plain}')"
    assert "hunter2" not in locations.file_name(location)


@pytest.mark.parametrize("location", ["a/b?sig=x", "https://host/a?design=1", "https://host/a?v=2"])
def test_what_is_not_signed_is_kept(location: str) -> None:
    assert locations.without_signature(location) == location


def test_csv_gives_the_same_rows_as_parquet(months: list[str], tmp_path: Path) -> None:
    cleaning, folder = module("kit.modelling.months"), tmp_path / "checkpoints"
    for path, ending in zip(months, ("csv", "csv.gz"), strict=False):
        table = pd.read_parquet(path)
        table.to_csv(tmp_path / f"{Path(path).stem}.{ending}", index=False)
    found = sources.list_months(str(tmp_path), tmp_path / "raw")
    for path, source in zip(months, found, strict=False):
        month = cleaning.clean_month(sources.fetch(source, folder), source, folder)
        same = cleaning.clean_month(Path(path), path, folder)
        assert cleaning.read([month.path])[0].equals(cleaning.read([same.path])[0])
        assert month.dropped == same.dropped


def test_csv_is_read_again_for_another_schema(
    months: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, source = tmp_path / "trips_2024-01.csv", "trips_2024-01.csv"
    pd.read_parquet(months[0]).assign(fare_amount=1.5).to_csv(table, index=False)
    first = csv_files.as_parquet(table, source, tmp_path)
    assert csv_files.as_parquet(table, source, tmp_path) == first
    wider = contract.SCHEMA.append(pa.field("fare_amount", pa.float64()))
    monkeypatch.setattr(csv_files, "SCHEMA", wider)
    second = pq.read_table(csv_files.as_parquet(table, source, tmp_path))
    assert second["fare_amount"].to_pylist() == [1.5] * second.num_rows


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2024-01-01 08:00:00,here,2,1.5,1,1", r"here.*; correct the file, or SCHEMA in data\.py$"),
        ("01.01.2024 08:00,1,2,1.5,1,1", r"SCHEMA.*; a time is written 2024-03-01 08:00:00$"),
    ],
)
def test_csv_that_does_not_fit_is_refused_in_one_line(line: str, said: str, tmp_path: Path) -> None:
    bad, columns = tmp_path / "trips_2024-01.csv", ",".join(contract.INPUTS.names)
    bad.write_text(f"{columns}\n2024-01-01 08:00:00,1,2,1.5,1,1\n{line}\n")
    with pytest.raises(locations.DataError, match=rf"trips_2024-01\.csv: .*{said}"):
        sources.fetch(str(bad), tmp_path / "out")
    bad.write_text(f"{columns.replace('VendorID', 'Vendor')}\n2024-01-01 08:00:00,1,2,1.5,1,1\n")
    missing = r"column 'VendorID' is missing; rename .* \(the file has .*Vendor, trip_type\)$"
    with pytest.raises(locations.DataError, match=missing):
        sources.fetch(str(bad), tmp_path / "out")
    assert not [*(tmp_path / "out").glob("*")]
