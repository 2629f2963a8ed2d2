"""One screen that says how things stand, and the audit trail as a table."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Scheduled

from .. import PACKAGE, module

flows = module("flows")
promotions = module("kit.promotions")
registry = module("kit.registry")
status = module("kit.status")
PROJECT = module("kit.project").PROJECT


@pytest.fixture(autouse=True)
def wide(months: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv(f"{PACKAGE.upper()}_DATA_LOCATION", str(Path(months[0]).parent))


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, list[str]]:
    """Return the lines of the screen by the title above them."""
    capsys.readouterr()
    status.status()
    parts = capsys.readouterr().out.strip().split("\n\n")
    return {part.splitlines()[0]: part.splitlines()[1:] for part in parts}


def test_nothing_is_there_yet(capsys: pytest.CaptureFixture[str]) -> None:
    with temporary_settings({PREFECT_API_URL: None}):
        screen = shown(capsys)
    assert screen == {
        "CHAMPION": [f"{PROJECT}: has no champion yet; train one: uv run poe train"],
        "CHALLENGERS SINCE": ["none"],
        "NEWEST MONTH": ["trips_2024-03.parquet: not scored, not monitored with the champion"],
        "FLOW RUNS, THE LAST AND THE NEXT": [
            "no Prefect server is named: set PREFECT_API_URL in .env, or in a profile"
        ],
    }
    status.history()
    assert capsys.readouterr().out == f"{PROJECT}: has had no champion yet\n"


def test_what_is_away_is_one_line_each(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{PACKAGE.upper()}_DATA_LOCATION", "/nowhere")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):
        mlflow, again, data, prefect = shown(capsys).values()
    assert mlflow == again
    assert mlflow[0].startswith("http://127.0.0.1:1: MLflow cannot be used")
    assert data[0].startswith("/nowhere: no parquet or CSV files")
    assert prefect[0].startswith("the Prefect API cannot be used")
    assert [len(part) for part in (mlflow, data, prefect)] == [1, 1, 1]


@pytest.mark.usefixtures("store", "prefect_harness")
def test_all_is_said_on_one_screen(capsys: pytest.CaptureFixture[str]) -> None:
    promotions.promote(1, "[better] at night", by="ada")
    registry.set_verdict(2, "not the gain that is asked for", "0123")
    flows.monitor()
    flows.score()
    at = datetime.now(UTC) + timedelta(days=2)
    with get_client(sync_client=True) as client:
        for name, tags in (("daily", [PROJECT]), ("daily-of-others", ["other"])):
            flow_id = client.create_flow(flows.score)
            deployment = client.create_deployment(
                flow_id, name, tags=tags, entrypoint=f"{PACKAGE}.flows.score"
            )
            client.create_flow_run_from_deployment(
                deployment, state=Scheduled(scheduled_time=at), name=f"next {name}"
            )
    champion, challengers, month, runs = shown(capsys).values()
    assert champion[0].startswith("version 1, since ")
    assert champion[0].endswith(" (0 days), by ada: [better] at night")
    assert champion[1:] == ["RMSE 6.000"]
    assert [line.split()[0] for line in challengers] == ["2", "3", "2"]
    assert challengers[1].rstrip().endswith("not compared")
    assert challengers[2].rstrip().endswith("not the gain that is asked for")
    assert month == ["trips_2024-03.parquet: scored by version 1, found fail by monitor"]
    # The flow runs of other tests on this server may be there, too.
    header, *rows = (" ".join(line.split()) for line in runs)
    assert header == "deployment flow run state start"
    assert any(row.startswith("score ") and " Completed " in row for row in rows)
    assert f"score/daily next daily Scheduled {at.astimezone():%Y-%m-%d %H:%M}" in rows
    assert not any("of-others" in row for row in rows)


@pytest.mark.usefixtures("store")
def test_the_audit_trail_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    promotions.promote(1, "first", by="ada")
    promotions.promote(2, "[better] at night", by="flow run calm-owl")
    status.history()
    header, *rows = (line.split() for line in capsys.readouterr().out.splitlines())
    assert header == ["when", "version", "before", "by", "reason"]
    assert rows[0][2:] == ["1", "none", "ada", "first"]
    assert rows[1][2:] == ["2", "1", *["flow", "run", "calm-owl", "[better]", "at", "night"]]
