"""One Prefect server for the session, and a state folder of its own for each test."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from dotenv import dotenv_values
from prefect.settings import (
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_LOGGING_TO_API_ENABLED,
    temporary_settings,
)
from prefect.testing.utilities import prefect_test_harness

from . import PACKAGE, ROOT, module


@pytest.fixture(scope="session")
def prefect_harness() -> Iterator[None]:
    """Start a Prefect server with a database of its own, which takes ten to twenty seconds."""
    quiet = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None, PREFECT_LOGGING_TO_API_ENABLED: False}
    with prefect_test_harness(server_startup_timeout=120), temporary_settings(quiet):
        yield


@pytest.fixture(autouse=True)
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Name a state folder for the test alone: nothing touches the project's own, or the team's.

    Of the settings in .env only those count that say where the months are.
    """
    prefix = f"{PACKAGE.upper()}_"
    months = {f"{prefix}DATA_LOCATION", f"{prefix}DATABASE_SECRET"}
    for name in [*os.environ]:
        if name.startswith(prefix):
            monkeypatch.delenv(name)
    for name, value in dotenv_values(ROOT / ".env", encoding="utf-8-sig").items():
        if name in months and value:
            monkeypatch.setenv(name, value)
    monkeypatch.setitem(module("settings").Settings.model_config, "env_file", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.setenv(f"{prefix}STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"
