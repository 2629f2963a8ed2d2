"""Promotion and rollback: what is refused, and the trail that they leave in MLflow."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from .package import data, isolation, registry, settings, training


@pytest.fixture(scope="module")
def month(months: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cleaned month."""
    return data.clean_month(Path(months[0]), months[0], tmp_path_factory.mktemp("clean")).path


@pytest.fixture(scope="module")
def filled(month: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with three versions: two whole ones, and one that was never measured."""
    folder = tmp_path_factory.mktemp("filled")
    local: dict[str, Any] = {"state_dir": folder, "MLFLOW_TRACKING_URI": ""}
    store = registry.Registry(settings.Settings(**local))
    pipeline = training.fit([month], training.TrainParams(max_rounds=5))
    example = data.read([month])[0].head(5)
    kinds = ("params", "tags", "documents", "figures", "datasets")
    nothing: dict[str, Any] = {kind: {} for kind in kinds}
    for metrics in ({"test_rmse": 6.0}, {"test_rmse": 5.0}, {}):
        store.register(store.log(pipeline, example, metrics=metrics, **nothing))
    return folder


@pytest.fixture
def store(filled: Path, state_dir: Path) -> registry.Registry:
    """The three versions, in the test's own state folder: a store survives a move."""
    shutil.copytree(filled, state_dir)
    return registry.Registry(settings.Settings())


def test_promotion_and_rollback_leave_a_trail(
    store: registry.Registry, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    store.promote(1, "first", by="flow run calm-owl")
    store.promote(2, "better", by="flow run calm-owl")
    registry.promote(1, "version 2 says nonsense at night")
    assert "is version 1 (it was version 2)" in capsys.readouterr().out
    champion = store.champion()
    assert champion
    assert champion.version == 1

    trail = [(e.previous, e.version, e.by, e.reason) for e in store.promotions()]
    assert trail == [
        (None, 1, "flow run calm-owl", "first"),
        (1, 2, "flow run calm-owl", "better"),
        (2, 1, "ada", "version 2 says nonsense at night"),
    ]
    tags: dict[str, Any] = store.client.get_registered_model(settings.PROJECT).tags
    assert len([name for name in tags if name.startswith("promotion.")]) == 3
    assert store.client.get_model_version(settings.PROJECT, "1").tags["promoted_by"] == "ada"

    # To promote the champion again is no promotion.
    store.promote(1, "again", by="ada")
    assert len(store.promotions()) == 3


def test_a_promotion_that_was_cut_off_is_one_when_tried_again(
    store: registry.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(store.client, "set_registered_model_alias", lambda *_: None)
        store.promote(1, "first", by="ada")
    store.promote(1, "first", by="ada")
    assert [entry.version for entry in store.promotions()] == [1]
    champion = store.champion()
    assert champion
    assert champion.version == 1


def test_a_month_is_tested_on_once_there_is_a_verdict(store: registry.Registry) -> None:
    assert store.tested_on("0123") is None
    store.set_verdict(1, "not the gain that is asked for", "0123")
    store.set_verdict(2, "beyond noise", "4567")
    assert store.tested_on("0123") == 1


def test_what_is_not_whole_is_refused(store: registry.Registry, state_dir: Path) -> None:
    store.promote(1, "first", by="ada")
    with pytest.raises(ValueError, match=r"^version 9 of \S+: is not there"):
        store.promote(9, "typo", by="ada")
    with pytest.raises(ValueError, match=r"^version 3 of \S+: has no test_rmse"):
        store.promote(3, "hope", by="ada")
    for model in state_dir.rglob("model.skops"):
        model.unlink()
    with pytest.raises(ValueError, match=r"^version 2 of \S+: does not load"):
        store.promote(2, "hope", by="ada")
    assert [entry.version for entry in store.promotions()] == [1]
    champion = store.champion()
    assert champion
    assert champion.version == 1


def test_a_model_keeps_the_code_it_was_logged_with(
    store: registry.Registry, month: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(settings.ROOT / "src")  # where Python would find today's code
    X, _ = data.read([month])
    with store.load(1) as model:
        today, distance = model.predict(X), model.features(X)["distance"]
    # As if features.py had been edited since: the code that was logged is not today's.
    for file in state_dir.rglob("features.py"):
        file.write_text(file.read_text().replace("(miles > 0)", "(miles > 2)"))
    with store.load(1) as model:
        then = [model.predict(X[:700]), model.predict(X[700:])]
        found = model.features(X)["distance"].astype("float32")
        assert found.equals(distance.where(distance > 2))
    assert type(model) is isolation._Isolated
    shorter = (X["trip_distance"] <= 2).to_numpy()
    differs = pd.concat([pd.Series(part) for part in then]).to_numpy() != today
    assert differs[shorter].mean() > 0.5
    assert not differs[~shorter].any()


def test_code_that_no_longer_runs_is_told(
    store: registry.Registry, month: Path, state_dir: Path
) -> None:
    X, _ = data.read([month])
    for file in state_dir.rglob("features.py"):
        file.write_text(file.read_text().replace('trips["trip_distance"]', 'trips["km"]'))
    with store.load(1) as model, pytest.raises(ValueError, match=r"^version 1: .*KeyError: 'km'"):
        model.predict(X)
    for file in state_dir.rglob("features.py"):
        file.unlink()
    with pytest.raises(ValueError, match=r"^version 2: .*ModuleNotFoundError"), store.load(2):
        pass
