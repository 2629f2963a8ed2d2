"""One Prefect server for the session, and a state folder of its own for each test."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import (
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)
from prefect.testing.utilities import prefect_test_harness

from . import PACKAGE


@pytest.fixture(scope="session")
def prefect_harness() -> Iterator[None]:
    """Start a Prefect server with a database of its own, which takes ten to twenty seconds."""
    quiet = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None, PREFECT_LOGGING_TO_API_ENABLED: False}
    with prefect_test_harness(server_startup_timeout=120), temporary_settings(quiet):
        yield


@pytest.fixture(autouse=True)
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Name a state folder for the test alone: nothing touches the project's own."""
    prefix = f"{PACKAGE.upper()}_"
    for name in [*os.environ]:
        if name.startswith(prefix):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.setenv(f"{prefix}STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"
