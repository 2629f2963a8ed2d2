"""Months from a real PostgreSQL: the same model, a lost connection survived, no password kept."""

import re
import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from .conftest import BakedProject
from .lab import files_with
from .postgres import IS_THERE, PASSWORD, postgres

pytestmark = pytest.mark.slow

LOAD = """
import sys
from pathlib import Path
import pyarrow as pa
import pyarrow.parquet as pq
from adbc_driver_postgresql import dbapi
with dbapi.connect(sys.argv[1]) as connection, connection.cursor() as cursor:
    for path in Path("data").glob("*.parquet"):
        table = pq.read_table(path)
        empty = [field.name for field in table.schema if pa.types.is_null(field.type)]
        cursor.adbc_ingest(path.stem.replace("-", "_"), table.drop_columns(empty))
    months = [f"SELECT * FROM trips_2024_0{number}" for number in (1, 2, 3)]
    cursor.execute(f"CREATE TABLE all_trips AS {' UNION ALL '.join(months)}")
    cursor.execute("CREATE TABLE unrelated (id int)")
    connection.commit()
"""
SAVE_SECRET = """
import os
from prefect.blocks.system import Secret
Secret(value=os.environ["PGPASSWORD"]).save("trips-database")
"""
FETCH = """
import sys
from pathlib import Path
from PACKAGE.kit import sources
from PACKAGE.kit.modelling.months import clean_month
for location in sys.argv[1:]:
    try:
        raw = sources.fetch(location, Path("checkpoints/raw"))
        print("rows", clean_month(raw, location, Path("checkpoints")).rows)
    except Exception as error:
        print(type(error).__name__, error)
"""
RMSE = """
import sys
from mlflow import MlflowClient
client = MlflowClient(f"sqlite:///{sys.argv[1]}/mlflow.db")
version = client.get_model_version_by_alias("taxi-duration", "champion")
print(client.get_run(version.run_id).data.metrics["test_rmse"])
"""


class Proxy:
    """Passes bytes on to a port, and cuts the first connection that gives more than `limit`."""

    def __init__(self, target: int, limit: int) -> None:
        self.target, self.limit, self.cuts = target, limit, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
                for pair in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        passed = 0
        with suppress(OSError):
            while some := source.recv(1 << 16):
                passed += len(some)
                if is_answer and passed > self.limit and not self.cuts:
                    self.cuts += 1
                    break
                sink.sendall(some)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def rmse(project: BakedProject, state: Path) -> float:
    return float(project.run("uv", "run", "python", "-c", RMSE, str(state)).stdout)


@pytest.mark.skipif(not IS_THERE, reason="PostgreSQL is not on this machine")
def test_months_from_postgres(fresh: BakedProject, tmp_path: Path) -> None:
    fresh.run("uv", "sync", "--quiet", "--group", "postgres")
    fresh.run("uv", "run", "poe", "train")
    state = tmp_path / "state"
    with postgres() as port:
        direct = f"postgresql://taxi@127.0.0.1:{port}/postgres"
        fresh.run("uv", "run", "python", "-c", LOAD, direct, PGPASSWORD=PASSWORD)
        fresh.run("uv", "run", "python", "-c", SAVE_SECRET, PGPASSWORD=PASSWORD)

        proxy = Proxy(port, limit=1_000_000)
        trained = fresh.run(
            *("uv", "run", "poe", "train"),
            TAXI_DURATION_DATA_LOCATION=direct.replace(str(port), str(proxy.port)),
            TAXI_DURATION_DATABASE_SECRET="trips-database",
            TAXI_DURATION_STATE_DIR=str(state),
        )
        output = trained.stdout + trained.stderr
        assert proxy.cuts == 1
        assert re.search(r"fetch trips_2024_01.parquet' - .*Retry 1/3", output)
        assert "Version 1 promoted" in output
        assert abs(rmse(fresh, state) - rmse(fresh, fresh.path)) < 1e-9

        # One table of all months, which is cut into them by its rows.
        cut = fresh.run(
            *("uv", "run", "poe", "train"),
            TAXI_DURATION_DATA_LOCATION=f"{direct}?table=all_trips",
            TAXI_DURATION_DATABASE_SECRET="trips-database",
            TAXI_DURATION_STATE_DIR=str(tmp_path / "cut"),
        )
        assert "clean all_trips_2024-01.parquet" in cut.stdout + cut.stderr
        assert abs(rmse(fresh, tmp_path / "cut") - rmse(fresh, state)) < 1e-9

        select = "SELECT%20*%20FROM%20trips_2024_01%20LIMIT%20100"
        script = FETCH.replace("PACKAGE", fresh.package)
        given = [
            f"{direct}?query={select}",
            f"{direct}?table=trips_2024_13",
            f"{direct}?query=SELEKT",
            f"{direct}?table=unrelated",
            direct,
            direct.replace("taxi@", f"taxi:{PASSWORD}@"),
        ]
        said = fresh.run("uv", "run", "python", "-c", script, *given, PGPASSWORD=PASSWORD).stdout
    expected = [
        "rows 100",
        'DataError .* relation "trips_2024_13" does not exist; check the table',
        'DataError .* syntax error at or near "SELEKT"; check the table or the query',
        "DataError .* column 'lpep_pickup_datetime' is missing",
        "DataError .* names no table",
        "DataError postgresql://127.0.0.1: holds a password",
    ]
    for line, pattern in zip(said.splitlines(), expected, strict=True):
        assert re.match(pattern, line)

    assert PASSWORD not in output + said
    assert files_with(fresh.path.parent, "trips_2024_01"), "the search would find it"
    assert not files_with(fresh.path.parent, PASSWORD)
    assert not files_with(fresh.home, PASSWORD)
    assert not files_with(state, PASSWORD)
