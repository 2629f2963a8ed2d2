"""One Prefect server for the session, and a project folder of its own for each test."""

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from prefect.settings import (
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)
from prefect.testing.utilities import prefect_test_harness

from .make_months import make_month
from .package import settings

ROWS = 2_000


@pytest.fixture(scope="session")
def prefect_harness() -> Iterator[None]:
    """A Prefect server with a database of its own; it takes twenty seconds to start."""
    quiet = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None, PREFECT_LOGGING_TO_API_ENABLED: False}
    with prefect_test_harness(server_startup_timeout=120), temporary_settings(quiet):
        yield


@pytest.fixture(scope="session")
def months(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three small months, oldest first."""
    folder = tmp_path_factory.mktemp("months")
    paths = [folder / f"trips_{month}.parquet" for month in ("2024-01", "2024-02", "2024-03")]
    for path in paths:
        pq.write_table(make_month(path.stem[-7:], ROWS), path)
    return [str(path) for path in paths]


@pytest.fixture(autouse=True)
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder for the test: nothing touches the project's own."""
    prefix = settings.PACKAGE.upper()
    for name in [*os.environ]:
        if name.startswith(f"{prefix}_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.setenv(f"{prefix}_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"
