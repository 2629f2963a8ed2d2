"""A version that goes from one store to another, and works there."""

import json
from pathlib import Path
from typing import Any

import pytest

from .. import PACKAGE, module

kit_months = module("kit.modelling.months")
promotions = module("kit.promotions")
registry = module("kit.registry")
runs = module("kit.runs")
transfer = module("kit.transfer")


def predictions(version: int, test: Any) -> Any:
    X, _ = kit_months.read([test.path])
    with registry.load(version) as model:
        return model.predict(X)


@pytest.mark.usefixtures("store")
def test_a_version_works_in_another_store(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promotions.promote(2, "the best", "me")
    before, there = predictions(2, trained.test), registry.the_champion()
    learnt = runs.learnt_from(there.run_id)
    transfer.export(tmp_path / "exported")

    monkeypatch.setenv(f"{PACKAGE.upper()}_STATE_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # MLflow has set it to the first store
    assert registry.champion() is None
    transfer.import_version(tmp_path / "exported")
    assert registry.champion() is None
    promotions.promote(1, "imported", "me")
    here = registry.the_champion()
    assert here.metrics == there.metrics
    assert runs.learnt_from(here.run_id) == learnt
    assert runs.document(here.run_id, "reference.json")
    assert (predictions(1, trained.test) == before).all()


@pytest.mark.usefixtures("store")
def test_what_cannot_be_exported_or_imported_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "exported"
    with pytest.raises(ValueError, match=r"^version 9 of .*: it or its MLflow run is not there"):
        transfer.export(folder, 9)
    assert not folder.exists()
    with pytest.raises(ValueError, match="holds no exported version"):
        transfer.import_version(folder)
    transfer.export(folder, 1)
    with pytest.raises(ValueError, match="is there already; name a new folder"):
        transfer.export(folder, 1)
    about = folder / "version.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"project": "another"}))
    with pytest.raises(ValueError, match="holds a version of another, not of"):
        transfer.import_version(folder)
