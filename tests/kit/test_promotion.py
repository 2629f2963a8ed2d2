"""Promotion and rollback: what is refused, and the trail that they leave in MLflow."""

import json
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest
from prefect.artifacts import Artifact

from .. import module

comparison = module("kit.comparison")
flows = module("flows")
kit_months = module("kit.modelling.months")
promotions = module("kit.promotions")
registry = module("kit.registry")
tracking = module("kit.tracking")
PROJECT = module("kit.project").PROJECT
PROMOTIONS_KEY = f"{module('kit.project').PROJECT}-promotions"


def promote(version: int, reason: str = "first", by: str = "ada") -> Any:
    return promotions.promote(version, reason, by)


def trail() -> list[Any]:
    return [(e.previous, e.version, e.by, e.reason) for e in promotions.promotions()]


def champion_version() -> int | None:
    found = registry.champion()
    return found.version if found else None


@pytest.mark.usefixtures("store")
def test_promotion_and_rollback_leave_a_trail(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    promote(1, "first", by="flow run calm-owl")
    promote(2, "better", by="flow run calm-owl")
    promotions.promote_by_hand(1, "version 2 says nonsense at night")
    assert "is version 1 (it was version 2)" in capsys.readouterr().out
    assert champion_version() == 1

    assert trail() == [
        (None, 1, "flow run calm-owl", "first"),
        (1, 2, "flow run calm-owl", "better"),
        (2, 1, "ada", "version 2 says nonsense at night"),
    ]
    client = tracking.connect()
    tags: dict[str, Any] = client.get_registered_model(PROJECT).tags
    assert len([name for name in tags if name.startswith("promotion.")]) == 3
    assert client.get_model_version(PROJECT, "1").tags["promoted_by"] == "ada"

    # To promote the champion again is no promotion.
    promote(1, "again")
    assert len(trail()) == 3


@pytest.mark.usefixtures("store", "prefect_harness")
def test_the_flow_promotes_in_a_persons_name() -> None:
    flows.promote(2, "better", by="ada")
    flows.promote(1, "no, worse")
    assert trail()[0] == (None, 2, "ada", "better")
    previous, version, by, reason = trail()[1]
    assert (previous, version, reason) == (2, 1, "no, worse")
    assert by.startswith("flow run ")
    table: Any = Artifact.get(PROMOTIONS_KEY)
    assert [row["reason"] for row in json.loads(table.data)] == ["better", "no, worse"]
    assert champion_version() == 1


@pytest.mark.usefixtures("store")
def test_a_promotion_that_was_cut_off_is_one_when_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(tracking.connect(), "set_registered_model_alias", lambda *_: None)
        promote(1)
    assert champion_version() is None
    promote(1)
    assert [entry.version for entry in promotions.promotions()] == [1]
    assert champion_version() == 1


@pytest.mark.usefixtures("store")
def test_the_newest_of_the_versions_that_were_tested_counts() -> None:
    for version in (2, 1):
        registry.set_verdict(version, "not promoted", "twice")
    assert registry.tested_on("twice") == 2


@pytest.mark.usefixtures("store")
def test_a_run_is_registered_once_however_often_it_is_tried(
    monkeypatch: pytest.MonkeyPatch, trained: Any
) -> None:
    def cut_off(*_: Any) -> None:
        raise OSError("cut off")

    run_id = tracking.log_training(trained, {})
    with monkeypatch.context() as patch:
        patch.setattr(tracking.connect(), "set_registered_model_alias", cut_off)
        with pytest.raises(OSError, match="cut off"):
            registry.register(run_id)
    assert registry.register(run_id) == 4
    assert [version.run_id for version in registry.versions()].count(run_id) == 1


@pytest.mark.usefixtures("store")
def test_no_champion_is_without_an_entry_in_the_trail(monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_off(*_: Any) -> None:
        raise OSError("cut off")

    monkeypatch.setattr(tracking.connect(), "set_registered_model_tag", cut_off)
    with pytest.raises(OSError, match="cut off"):
        promote(1)
    assert champion_version() is None


@pytest.mark.usefixtures("store")
def test_the_trail_stays_in_order_when_the_clock_is_set_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Clock(datetime):
        """The time, and then that of an hour before."""

        behind = timedelta()

        @classmethod
        def now(cls, _: tzinfo | None = None) -> Any:
            return datetime.now(UTC) - cls.behind

    monkeypatch.setattr(promotions, "datetime", Clock)
    promote(1, "first")
    Clock.behind = timedelta(hours=1)
    promote(2, "better")
    promote(1, "no, worse")
    assert trail() == [
        (None, 1, "ada", "first"),
        (1, 2, "ada", "better"),
        (2, 1, "ada", "no, worse"),
    ]
    times = [entry.at for entry in promotions.promotions()]
    assert times == sorted({*times})
    tags = tracking.connect().get_model_version(PROJECT, "1").tags
    assert tags["promoted_at"] == f"{times[-1]:%Y-%m-%dT%H:%M:%S.%fZ}"


@pytest.mark.usefixtures("store")
def test_a_month_is_tested_on_once_there_is_a_verdict() -> None:
    assert registry.tested_on("0123") is None
    registry.set_verdict(1, "not the gain that is asked for", "0123")
    registry.set_verdict(2, "beyond noise", "4567")
    assert registry.tested_on("0123") == 1
    described = tracking.connect().get_model_version(PROJECT, "1").description
    assert described == "Not the gain that is asked for."


def test_what_is_not_whole_is_refused(store: Path) -> None:
    promote(1)
    for version in (9, 0, -1, 2**31, 10**20):
        with pytest.raises(ValueError, match=rf"^version {version} of {PROJECT}: is not there"):
            promote(version, "typo")
    with pytest.raises(ValueError, match=r"^version 3 of \S+: has no test_rmse"):
        promote(3, "hope")
    for model in store.rglob("model.skops"):
        model.unlink()
    with pytest.raises(ValueError, match=r"^version 2 of \S+: does not load"):
        promote(2, "hope")
    assert [entry.version for entry in promotions.promotions()] == [1]
    assert champion_version() == 1


@pytest.mark.usefixtures("store")
def test_a_reason_is_no_novel() -> None:
    longest = promotions.LONGEST_REASON
    with pytest.raises(ValueError, match=r"^reason: has 1,001 letters; say it in 1,000"):
        promote(1, "x" * (longest + 1))
    assert promotions.promotions() == []
    assert champion_version() is None
    promote(1, "ä" * longest)
    assert trail() == [(None, 1, "ada", "ä" * longest)]


@pytest.mark.usefixtures("store")
def test_a_champion_whose_run_was_deleted_is_still_one(trained: Any) -> None:
    promote(1)
    champion = registry.the_champion()
    client = tracking.connect()
    client.delete_run(champion.run_id)
    assert registry.the_champion().version == 1
    X = kit_months.read([trained.test.path])[0][:5]
    with registry.load(1) as model:
        assert len(model.predict(X)) == 5
    promote(2, "another one")
    promote(1, "back")
    # As `mlflow gc` leaves it.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "get_run", gone)
        assert registry.the_champion().metrics == {}
        assert (
            "the same as version 1 (champion)" in comparison.compare_with_champion(trained).reason
        )
        promote(2, "another one")
        promote(1, "back")
    assert champion_version() == 1


def gone(run_id: str) -> Any:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

    raise MlflowException(f"Run with id={run_id} not found", RESOURCE_DOES_NOT_EXIST)
