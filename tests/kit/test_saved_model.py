"""A model is run by the code that it was logged with, and says which packages that needs."""

import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from .. import PACKAGE, ROOT, module
from .test_promotion import filled, store, trained  # fixtures

kit_months = module("kit.modelling.months")
registry = module("kit.registry")
requirements = module("kit.requirements")
saved_model = module("kit.saved_model")

__all__ = ["filled", "store", "trained"]


@pytest.fixture
def X(trained: Any) -> pd.DataFrame:
    """Inputs of the test month."""
    return kit_months.read([trained.test.path])[0]


def test_a_model_keeps_the_code_it_was_logged_with(
    store: Path, X: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT / "src")  # where Python would find today's code
    with registry.load(1) as model:
        today, distance = model.predict(X), model.features(X)["distance"]
        assert saved_model.is_here(model)
    # As if features.py had been edited since: the code that was logged is not today's.
    for file in store.rglob("features.py"):
        file.write_text(file.read_text().replace("(miles > 0)", "(miles > 2)"))
    with registry.load(1) as model:
        then = [model.predict(X[:700]), model.predict(X[700:])]
        found = model.features(X)["distance"]
        assert found.equals(distance.where(distance > 2))
    assert not saved_model.is_here(model)
    shorter = (X["trip_distance"] <= 2).to_numpy()
    differs = pd.concat([pd.Series(part) for part in then]).to_numpy() != today
    assert differs[shorter].mean() > 0.5
    assert not differs[~shorter].any()


def test_code_that_no_longer_runs_is_named(store: Path, X: pd.DataFrame) -> None:
    for file in store.rglob("features.py"):
        file.write_text(file.read_text().replace('trips["trip_distance"]', 'trips["km"]'))
    message = r"^version 1: fails with the code that it was logged with \(KeyError: 'km'\)"
    with registry.load(1) as model, pytest.raises(ValueError, match=message):
        model.predict(X)
    for file in store.rglob("features.py"):
        file.unlink()
    message = r"^version 2: .*ModuleNotFoundError"
    with pytest.raises(ValueError, match=message), registry.load(2):
        pass


def test_code_that_a_user_added_is_logged_with_the_model(store: Path, X: pd.DataFrame) -> None:
    for file in store.rglob("features.py"):
        text = file.read_text().replace("import numpy", "from .speeds import MPH\nimport numpy", 1)
        file.write_text(text.replace("(miles > 0)", "(miles > MPH)"))
        file.with_name("speeds.py").write_text("MPH = 2\n")
    with registry.load(1) as model:
        assert not saved_model.is_here(model)
        assert (model.features(X)["distance"].dropna() > 2).all()


IMPORTED = """
import json, sys
from importlib import import_module
from pathlib import Path
import pandas as pd
package, model, rows = sys.argv[1:]
pipeline = import_module(f"{package}.kit.modelling.pipeline").load(Path(model))
pipeline.predict(pd.read_parquet(rows))
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def distribution(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def with_dependencies(names: set[str]) -> set[str]:
    """Return packages and all that they need."""
    found, new = set[str](), {distribution(name) for name in names}
    while new:
        found |= new
        needed = set()
        for name in new:
            try:
                lines = requires(name) or []
            except PackageNotFoundError:  # of another platform
                continue
            needed |= {
                distribution(re.split(r"[^\w.-]", line)[0]) for line in lines if "extra ==" not in line
            }
        new = needed - found
    return found


def test_a_logged_model_names_the_packages_it_needs(
    store: Path, X: pd.DataFrame, tmp_path: Path
) -> None:
    [folder] = {path.parent for path in store.rglob("model.skops")} & {
        path.parent for path in [next(store.rglob("model.skops"))]
    }
    lines = (folder / "requirements.txt").read_text().splitlines()
    named = {name for name, _, version in (line.partition("==") for line in lines) if version}
    assert {"pandas", "numpy", "scikit-learn", "skops", "pyarrow", "pydantic"} <= named
    assert {name for name in named if name.startswith("xgboost")}
    assert not named & {"prefect", "matplotlib", "optuna", "dask", PACKAGE.replace("_", "-")}

    X[:5].to_parquet(tmp_path / "rows.parquet")
    model = shutil.copy(folder / "model.skops", tmp_path)
    arguments = [PACKAGE, str(model), str(tmp_path / "rows.parquet")]
    command = [sys.executable, "-P", "-c", IMPORTED, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    providers = packages_distributions()
    imported = {
        distribution(providers[name][0])
        for name in json.loads(done.stdout)
        if name in providers and name != PACKAGE
    }
    assert {"pandas", "scikit-learn"} <= imported
    assert imported - with_dependencies(named) <= {"matplotlib"}


def test_requirements_follow_the_imports(tmp_path: Path) -> None:
    package = tmp_path / PACKAGE
    shutil.copytree(ROOT / "src" / PACKAGE, package)
    before = requirements.requirements(package)
    with (package / "features.py").open("a") as file:
        file.write("\n\ndef holidays():\n    import yaml\n")
    (package / "flows" / "training.py").write_text("import cyclopts\n")
    assert {*requirements.requirements(package)} - {*before} == {
        f"PyYAML=={module('kit.requirements').version('PyYAML')}"
    }
